//! Patterns of `PSUBSCRIBE`, as servers match them: `*`, `?`, `[a-z]`, `[^a]` and `\`. Pure; takes time in proportion to
//! the lengths of both at most.

/// Whether `text` matches `pattern`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    // Where to go on if what follows the last star does not fit here.
    let mut star: Option<(&[u8], usize)> = None;
    loop {
        if let [b'*', after @ ..] = rest {
            (rest, star) = (after, Some((after, at)));
            continue;
        }
        let fits = match text.get(at) {
            None if rest.is_empty() => return true,
            None => return false,
            Some(byte) => one(rest, *byte),
        };
        if let Some(after) = fits {
            (rest, at) = (after, at + 1);
        } else if let Some((after, from)) = star {
            (rest, at, star) = (after, from + 1, Some((after, from + 1)));
        } else {
            return false;
        }
    }
}

/// What follows the first element of the pattern, if that fits the byte.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', after @ ..] => Some(after),
        [b'[', class @ ..] => {
            let (negated, class) = match class {
                [b'^', class @ ..] => (true, class),
                class => (false, class),
            };
            let (found, after) = in_class(class, byte);
            (found != negated).then_some(after)
        }
        [b'\\', literal, after @ ..] | [literal, after @ ..] => (*literal == byte).then_some(after),
    }
}

/// Whether the class has the byte, and what follows the class. One without an end goes to the end of the pattern.
fn in_class(mut class: &[u8], byte: u8) -> (bool, &[u8]) {
    let mut found = false;
    loop {
        class = match class {
            [] => return (found, &[]),
            [b']', after @ ..] => return (found, after),
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [low, b'-', high, after @ ..] if *high != b']' => {
                found |= (*low.min(high)..=*low.max(high)).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_servers_match_them() {
        let table = [
            ("*", "", true),
            ("*", "+switch-master", true),
            ("+switch-*", "+switch-master", true),
            ("*master", "+switch-master", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxcxxb", false),
            ("+s?own", "+sdown", true),
            ("+s?own", "+sown", false),
            ("[+-]sdown", "-sdown", true),
            ("[^+]sdown", "+sdown", false),
            ("[^+]sdown", "-sdown", true),
            ("[a-c]", "b", true),
            ("[c-a]", "b", true),
            ("[a-c]", "d", false),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("[ab", "b", true),
            ("", "", true),
            ("", "x", false),
            ("a", "", false),
            ("a", "ab", false),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = b"*a".repeat(2_000);
        assert!(!matches(&pattern, &b"a".repeat(1_999)));
        assert!(matches(&pattern, &b"a".repeat(2_000)));
    }
}
