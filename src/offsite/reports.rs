//! Tasks that say what became of them, whatever did: one that is never heard of again would be waited for for ever.

use tokio::sync::mpsc;

use crate::tasks;

/// What is said at the end.
struct Report<T> {
    ended: mpsc::UnboundedSender<T>,
    end: Option<T>,
}

impl<T> Report<T> {
    fn becomes(&mut self, end: T) {
        self.end = Some(end);
    }
}

impl<T> Drop for Report<T> {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            drop(self.ended.send(end));
        }
    }
}

/// Runs a task, and reports its end; `lost`: what is reported when it does not come to one.
pub(super) fn report<T: Send + 'static>(
    ended: mpsc::UnboundedSender<T>,
    lost: T,
    work: impl Future<Output = T> + Send + 'static,
) -> tasks::Guard {
    let mut report = Report { ended, end: Some(lost) };
    tasks::guarded(async move { report.becomes(work.await) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_is_broken_off_is_heard_of() {
        let (ended, mut ends) = mpsc::unbounded_channel();
        drop(report(ended.clone(), "lost", std::future::pending()));
        assert_eq!(ends.recv().await, Some("lost"));
        let _whole = report(ended, "lost", async { "whole" });
        assert_eq!(ends.recv().await, Some("whole"));
    }
}
