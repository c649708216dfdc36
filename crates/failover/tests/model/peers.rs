//! What a primary asks its peers in the model, and what they answer.

use crate::*;

pub(crate) fn peer(pod: &Pod) -> Peer {
    Peer::from(pod.manager.identity())
}

impl World {
    /// A primary knows the replicas whose streams have begun.
    pub(crate) fn look_for_peers(&mut self, bounds: &Bounds, at: usize) {
        if bounds.consent && matches!(self.pods[at].manager.role(), Role::Primary(_)) {
            let replicas = self.pods.iter().filter(|pod| pod.follows == Some(at) && pod.begun);
            let peers = replicas.map(peer).collect();
            self.input(bounds, at, Input::Peers(peers));
        }
    }

    /// An earlier question is forgotten: its number is not that of now.
    pub(crate) fn ask_peers(&mut self, from: usize, request: u64, term: Term, peers: &Peers) {
        self.questions.retain(|question| question.from != from);
        let waits_for = (0..self.pods.len()).filter(|at| peers.contains(&peer(&self.pods[*at]))).collect();
        let (boot, answer) = (self.pods[from].manager.identity().boot, ConsentAnswer::Given);
        self.questions.push(Question { from, boot, request, term, waits_for, answer });
    }

    pub(crate) fn answer_question(&mut self, bounds: &Bounds, which: usize, at: usize) {
        let seen = self.pods[at].manager.seen();
        let question = &mut self.questions[which];
        question.waits_for.remove(&at);
        if seen > question.term && bounds.mutation != Mutation::RefusalIsConsent {
            question.answer = ConsentAnswer::Refused;
        } else if seen < question.term && question.answer == ConsentAnswer::Given {
            question.answer = ConsentAnswer::Unknown;
        }
    }

    pub(crate) fn hear_answer(&mut self, bounds: &Bounds, which: usize) {
        let Question { from, boot, request, answer, .. } = self.questions.remove(which);
        if self.pods[from].manager.identity().boot == boot {
            self.input(bounds, from, Input::Consent { request, answer });
        }
    }

    /// A peer does not answer in time.
    pub(crate) fn give_up_question(&mut self, bounds: &Bounds, which: usize) {
        self.questions[which].answer = ConsentAnswer::Unknown;
        self.hear_answer(bounds, which);
    }
}
