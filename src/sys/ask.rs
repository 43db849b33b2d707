//! Questions to a thread that owns something, over its inbox.

use crossbeam_channel::{Sender, bounded};

/// Puts the message that carries the sender of the answer into `inbox`, and waits for the answer. `None` when the owner
/// has ended, or drops the question.
pub fn ask<M, T>(inbox: &Sender<M>, message: impl FnOnce(Sender<T>) -> M) -> Option<T> {
    // Room for the one answer, so that the owner never waits.
    let (reply, answer) = bounded(1);
    inbox.send(message(reply)).ok()?;
    answer.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_that_answers_is_heard_and_one_that_has_ended_is_not_waited_for() {
        let (inbox, questions) = bounded::<Sender<u8>>(1);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                questions.recv().unwrap().send(7).unwrap();
                drop(questions.recv().unwrap());
                drop(questions);
            });
            assert_eq!(ask(&inbox, |reply| reply), Some(7));
            assert_eq!(ask(&inbox, |reply| reply), None, "dropped");
        });
        assert_eq!(ask(&inbox, |reply| reply), None, "ended");
    }
}
