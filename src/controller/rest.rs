//! When a resource takes its next turn: by its own clock, or when the survey of its project says so.

use super::{
    context::Context,
    credentials::{self, TokenSource},
    memory::{self, Memory},
    pass::Pass,
    survey::Joining,
    turns::Wake,
};
use crate::{
    api::ManagedService,
    engine::{Pace, Remote, Step, backoff},
    settings::Settings,
};
use kube::ResourceExt as _;
use std::sync::Arc;
use tokio::time::{Duration, Instant};

/// A resource whose survey stays silent for so many resync intervals looks for itself.
const SILENCE: u32 = 3;

impl<K: ManagedService> Pass<K> {
    /// The time until the next turn, unless something happens before.
    pub(super) fn rest(&mut self, step: &Step) -> Duration {
        let pace = match step {
            Step::Wait(pace) | Step::Refuse(pace) => *pace,
            _ => Pace::Quiet,
        };
        let pause = pause(&self.context.settings, &mut self.memory.building_since, pace);
        if !matches!(step, Step::Done | Step::Wait(Pace::Building)) {
            self.leave_survey();
        } else if self.follow() {
            return silence(&self.context.settings);
        }
        pause
    }

    /// Takes the resource out of its survey.
    pub(super) fn leave_survey(&mut self) {
        if let Some(survey) = self.memory.survey.take() {
            survey.leave(&self.desired.name, &self.desired.uid);
        }
    }

    /// Lets the survey of the project look after the resource; whether it does.
    fn follow(&mut self) -> bool {
        let Remote::Present(service) = &self.observed.remote else {
            self.leave_survey();
            return false;
        };
        if self.desired.deleting {
            self.leave_survey();
            return false;
        }
        let surveys = &self.context.surveys;
        let digest = surveys.digest(service);
        let used = self.used_token().map(|token| surveys.of(token, &self.desired.project));
        let Some(survey) = used.or_else(|| self.memory.survey.clone()) else { return false };
        if self.memory.survey.as_ref().is_some_and(|before| !Arc::ptr_eq(before, &survey)) {
            self.leave_survey();
        }
        let joining = joining(&self.context.settings, &self.object, &self.wake);
        let building_since = self.memory.building_since;
        survey.join(Joining { digest: Some(digest), building_since, ..joining });
        let worthwhile = survey.is_worthwhile(&self.context.settings);
        self.memory.survey = Some(survey);
        worthwhile
    }
}

/// Lets a resource that was settled before this process began wait for the first list of its project; none
/// when it should rather look for itself.
pub(super) async fn wait_for_a_list<K: ManagedService>(
    context: &Context,
    object: &K,
    memory: &mut Memory,
    wake: &Wake<K>,
) -> Option<Duration> {
    let joining = joining(&context.settings, object, wake);
    let found = credentials::read(context, &joining.source).await.ok()?;
    let survey = context.surveys.of(&found.token, &object.service().project);
    survey.join(joining);
    let worthwhile = survey.is_worthwhile(&context.settings);
    memory.survey = Some(survey);
    if !worthwhile {
        return None;
    }
    let silence = silence(&context.settings);
    memory.edit = Some(memory::edit(object));
    memory.not_before = Some(Instant::now() + silence);
    Some(silence)
}

fn joining<K: ManagedService>(settings: &Settings, object: &K, wake: &Wake<K>) -> Joining {
    let own = object.service().auth_secret_ref.clone();
    let wake = wake.clone();
    Joining {
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        source: TokenSource { namespace: object.namespace().unwrap_or_default(), own },
        wake: Box::new(move || wake.wake()),
        digest: None,
        due: backoff::spread(settings.resync_interval, rand::random()),
        building_since: None,
    }
}

/// The time until the next look at something that changes at this pace; `building_since` remembers since
/// when it builds.
pub(super) fn pause(settings: &Settings, building_since: &mut Option<Instant>, pace: Pace) -> Duration {
    let pause = match pace {
        Pace::Building => {
            let since = *building_since.get_or_insert_with(Instant::now);
            let (shortest, longest) = (settings.building_interval_min, settings.building_interval_max);
            backoff::building(since.elapsed(), shortest, longest)
        }
        Pace::Attentive => settings.attentive_interval,
        Pace::Quiet => settings.resync_interval,
    };
    if pace != Pace::Building {
        *building_since = None;
    }
    backoff::spread(pause, rand::random())
}

fn silence(settings: &Settings) -> Duration {
    backoff::spread(settings.resync_interval * SILENCE, rand::random())
}
