//! Lenient reading of answers: a part that is missing, null or of another type than documented counts as
//! absent, and never fails the read of what surrounds it. What a decision needs is checked afterwards, by name.

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Map, Number, Value};
use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

/// A value that is not an object and not a list; absent if it is one, or null.
#[derive(Default)]
enum Scalar<'de> {
    #[default]
    Absent,
    Switch(bool),
    Number(Number),
    Text(Cow<'de, str>),
}

/// An object; `None` if something else is in its place.
pub(super) struct Part<T>(pub(super) Option<T>);

/// Elements of a list that are objects; `None` if something else is in the place of the list.
pub(super) struct Parts<T>(pub(super) Option<Vec<T>>);

/// A text; numbers and truth values count as the text that they are written as.
pub(super) fn text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    Ok(borrowed_text(input)?.map(Cow::into_owned))
}

/// The same without a copy where the input allows that.
pub(super) fn borrowed_text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(Scalar::deserialize(input)?.text())
}

/// A whole number that is not negative, also when it is written with a fraction of zero or as a text.
pub(super) fn whole<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    Ok(match Scalar::deserialize(input)? {
        Scalar::Number(number) => whole_number(&number),
        Scalar::Text(text) => {
            let text = text.trim();
            text.parse().ok().or_else(|| whole_number(&Number::from_f64(text.parse().ok()?)?))
        }
        Scalar::Absent | Scalar::Switch(_) => None,
    })
}

/// A truth value, also when it is written as a text.
pub(super) fn switch<'de, D: Deserializer<'de>>(input: D) -> Result<Option<bool>, D::Error> {
    Ok(match Scalar::deserialize(input)? {
        Scalar::Switch(on) => Some(on),
        Scalar::Text(text) => text.parse().ok(),
        Scalar::Absent | Scalar::Number(_) => None,
    })
}

/// An object of declared parts.
pub(super) fn part<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Option<T>, D::Error> {
    Ok(Part::deserialize(input)?.0)
}

/// A list of objects; elements that are something else are left out.
pub(super) fn parts<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    input: D,
) -> Result<Option<Vec<T>>, D::Error> {
    Ok(Parts::deserialize(input)?.0)
}

/// An object of any parts.
pub(super) fn object<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Map<String, Value>>, D::Error> {
    part(input)
}

/// An object whose values are texts; values that cannot be one are `None`.
pub(super) fn texts<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<BTreeMap<String, Option<String>>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text(#[serde(deserialize_with = "text")] Option<String>);
    let texts: Option<BTreeMap<String, Text>> = part(input)?;
    Ok(texts.map(|texts| texts.into_iter().map(|(key, Text(value))| (key, value)).collect()))
}

/// The same without those.
pub(super) fn known_texts<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let known = |(key, value): (String, Option<String>)| Some((key, value?));
    Ok(texts(input)?.map(|texts| texts.into_iter().filter_map(known).collect()))
}

fn whole_number(number: &Number) -> Option<u64> {
    // Beyond this, neighbouring whole numbers are equal as floating-point numbers.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let fraction = || {
        let value = number.as_f64().filter(|value| (0.0..EXACT).contains(value) && value.fract() == 0.0)?;
        format!("{value:.0}").parse().ok()
    };
    number.as_u64().or_else(fraction)
}

impl<'de> Scalar<'de> {
    fn text(self) -> Option<Cow<'de, str>> {
        match self {
            Self::Absent => None,
            Self::Switch(on) => Some(on.to_string().into()),
            Self::Number(number) => {
                let whole = whole_number(&number).map(|whole| whole.to_string());
                Some(whole.unwrap_or_else(|| number.to_string()).into())
            }
            Self::Text(text) => Some(text),
        }
    }
}

/// The shapes that JSON has, each with what to make of it: all of them are read to their end.
trait Shape<'de>: Sized + Default {
    fn of_switch(_: bool) -> Self {
        Self::default()
    }

    fn of_number(_: Option<Number>) -> Self {
        Self::default()
    }

    fn of_text(_: Cow<'de, str>) -> Self {
        Self::default()
    }

    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }

    fn of_object<A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

struct Any<S>(PhantomData<S>);

impl<'de, S: Shape<'de>> Visitor<'de> for Any<S> {
    type Value = S;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<S, E> {
        Ok(S::default())
    }

    fn visit_none<E>(self) -> Result<S, E> {
        Ok(S::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, input: D) -> Result<S, D::Error> {
        input.deserialize_any(self)
    }

    fn visit_bool<E>(self, on: bool) -> Result<S, E> {
        Ok(S::of_switch(on))
    }

    fn visit_u64<E>(self, number: u64) -> Result<S, E> {
        Ok(S::of_number(Some(number.into())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<S, E> {
        Ok(S::of_number(Some(number.into())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<S, E> {
        Ok(S::of_number(Number::from_f64(number)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<S, E> {
        Ok(S::of_text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<S, E> {
        Ok(S::of_text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<S, A::Error> {
        S::of_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<S, A::Error> {
        S::of_object(object)
    }
}

impl<'de> Shape<'de> for Scalar<'de> {
    fn of_switch(on: bool) -> Self {
        Self::Switch(on)
    }

    fn of_number(number: Option<Number>) -> Self {
        number.map_or(Self::Absent, Self::Number)
    }

    fn of_text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }
}

impl<T> Default for Part<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for Part<T> {
    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|part| Self(Some(part)))
    }
}

impl<T> Default for Parts<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for Parts<T> {
    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut parts = Vec::new();
        while let Some(Part(part)) = list.next_element()? {
            parts.extend(part);
        }
        Ok(Self(Some(parts)))
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Any(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Parts<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Any(PhantomData))
    }
}

/// Decodes an answer, `None` if it is not an object; the error gives the position of invalid JSON. The position is
/// enough: the message of serde may quote a value.
pub(super) fn decode<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<Option<T>, String> {
    match serde_json::from_slice::<Part<T>>(text) {
        Ok(Part(part)) => Ok(part),
        Err(error) => Err(format!("it is not JSON at line {} column {}", error.line(), error.column())),
    }
}
