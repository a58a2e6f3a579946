//! Visitors who never stop asking, whatever happens to the site, and what each of their answers was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::support::{Answer, Client, ms};

/// What an address must give.
#[derive(Clone, Debug)]
pub enum Right {
    /// A page that says all of this, to its end.
    Page(Vec<String>),
    /// These octets.
    File(bytes::Bytes),
}

/// An address that visitors ask for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub target: String,
    pub right: Right,
}

/// Why an answer is not right, if it is not.
pub fn fault(answer: &Answer, right: &Right, in_time: Duration) -> Option<String> {
    let status = answer.cache_status();
    let text = answer.text();
    let start =
        || text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect::<String>();
    if let Some(why) = &answer.broken {
        return Some(format!("broken off: {why}"));
    }
    if answer.status != 200 {
        return Some(format!("status {} ({status}): {}", answer.status, start()));
    }
    let whole = match right {
        Right::Page(says) => {
            says.iter().all(|say| text.contains(say)) && text.trim_end().ends_with("</html>")
        }
        Right::File(bytes) => answer.body == *bytes,
    };
    if !whole {
        return Some(format!("not what it should be ({status}): {}", start()));
    }
    (answer.took > in_time).then(|| format!("after {:?} ({status})", answer.took))
}

/// Whether it is the live site's.
pub fn is_live(answer: &Answer) -> bool {
    answer.status == 200 && !answer.is_copy() && !answer.cache_status().contains("; hit")
}

#[derive(Default)]
struct Seen {
    answers: usize,
    live: usize,
    faults: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Log {
    /// By address.
    seen: BTreeMap<String, Seen>,
}

impl Log {
    fn add(&mut self, target: &str, fault: Option<String>, is_live: bool) {
        let seen = self.seen.entry(target.to_owned()).or_default();
        seen.answers += 1;
        seen.live += usize::from(is_live);
        if let Some(fault) = fault {
            *seen.faults.entry(fault).or_default() += 1;
        }
    }
}

/// The visitors; they go when this is dropped.
pub struct Visitors {
    log: Arc<Mutex<Log>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Between two answers and questions of a visitor.
const PAUSE: Duration = ms(100);

impl Visitors {
    /// One for each address.
    pub fn start(client: &Client, wanted: &[Wanted], in_time: Duration) -> Visitors {
        let (log, stop) = (Arc::new(Mutex::new(Log::default())), Arc::new(AtomicBool::new(false)));
        let visit = |Wanted { target, right }: Wanted| {
            let (client, log, stop) = (client.clone(), log.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let request = client.ask("GET", &target).body(Default::default()).unwrap();
                    let answer = client.send(request).await;
                    let fault = match &answer {
                        Ok(answer) => fault(answer, &right, in_time),
                        Err(why) => Some(why.clone()),
                    };
                    log.lock().unwrap().add(&target, fault, answer.is_ok_and(|answer| is_live(&answer)));
                    tokio::time::sleep(PAUSE).await;
                }
            })
        };
        let tasks = wanted.iter().cloned().map(visit).collect();
        Visitors { log, stop, tasks }
    }

    /// How many answers the address with the fewest has had.
    pub fn fewest(&self) -> usize {
        let log = self.log.lock().unwrap();
        let all_asked = log.seen.len() == self.tasks.len();
        let fewest = log.seen.values().map(|seen| seen.answers).min();
        fewest.filter(|_| all_asked).unwrap_or_default()
    }

    /// All that was not right, by address.
    #[expect(clippy::print_stdout, reason = "the runner shows it only when the test fails")]
    pub async fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a visitor");
        }
        let log = self.log.lock().unwrap();
        let mut faults = Vec::new();
        for (target, seen) in &log.seen {
            println!("{target}: {} answers, {} of them live", seen.answers, seen.live);
            for (fault, count) in &seen.faults {
                faults.push(format!("{target}: {count} times: {fault}"));
            }
        }
        faults
    }
}
