//! An open-loop generator: requests leave at their times whether or not earlier ones have come back, so that an
//! outage shows in the figures. Every answer is judged, every failure is kept.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::Full;

use super::client::{Answer, Client, Session};
use super::wait::ms;

/// Says what is wrong with an answer to a target.
pub type Judge = Arc<dyn Fn(&str, &Answer) -> Result<(), String> + Send + Sync>;

/// One request of a load.
#[derive(Clone, Debug)]
pub struct Shot {
    /// When it was to leave, since the start of the load.
    pub at: Duration,
    /// From then to its last byte.
    pub took: Duration,
    pub target: String,
    /// Why it failed.
    pub failed: Option<String>,
}

/// A load under way.
pub struct Load {
    shots: Arc<Mutex<Vec<Shot>>>,
    stop: Arc<AtomicBool>,
    began: Instant,
    task: tokio::task::JoinHandle<()>,
}

/// What a load has seen.
pub struct Report {
    pub shots: Vec<Shot>,
}

impl Load {
    /// Asks for the targets in turn, `rate` times a second, until told to stop (at most ten minutes).
    pub fn start(client: Client, rate: u32, targets: Vec<String>, judge: Judge) -> Load {
        let shots = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let began = Instant::now();
        let task = tokio::spawn(fire(client, rate, targets, judge, shots.clone(), stop.clone(), began));
        Load { shots, stop, began, task }
    }

    /// How long it has run: the clock of [`Shot::at`].
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// How many answers there are by now.
    pub fn done(&self) -> usize {
        self.shots.lock().unwrap().len()
    }

    /// Ends it, waits for what is under way, and reports.
    pub async fn stop(self) -> Report {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        let mut shots = std::mem::take(&mut *self.shots.lock().unwrap());
        shots.sort_by_key(|shot| shot.at);
        Report { shots }
    }
}

async fn fire(
    client: Client,
    rate: u32,
    targets: Vec<String>,
    judge: Judge,
    shots: Arc<Mutex<Vec<Shot>>>,
    stop: Arc<AtomicBool>,
    began: Instant,
) {
    let idle: Arc<Mutex<VecDeque<Session>>> = Arc::default();
    let mut running = tokio::task::JoinSet::new();
    let most = u64::from(rate) * 600;
    for n in 0..most {
        let at = Duration::from_nanos(n * 1_000_000_000 / u64::from(rate));
        if let Some(wait) = at.checked_sub(began.elapsed()).filter(|wait| *wait > Duration::ZERO) {
            tokio::time::sleep(wait).await;
        }
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let target = targets[n as usize % targets.len()].clone();
        let (client, judge, shots, idle) = (client.clone(), judge.clone(), shots.clone(), idle.clone());
        running.spawn(async move {
            let failed = match shoot(&client, &target, &idle).await {
                Ok(answer) => judge(&target, &answer).err(),
                Err(why) => Some(why),
            };
            let took = began.elapsed().saturating_sub(at);
            shots.lock().unwrap().push(Shot { at, took, target, failed });
        });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}

async fn shoot(client: &Client, target: &str, idle: &Mutex<VecDeque<Session>>) -> Result<Answer, String> {
    let request = client.ask("GET", target).body(Full::default()).map_err(|e| e.to_string())?;
    let kept = idle.lock().unwrap().pop_back().filter(Session::is_open);
    let mut session = match kept {
        Some(session) => session,
        None => client.session().await?,
    };
    let limit = Duration::from_secs(30);
    let answer = tokio::time::timeout(limit, session.send(request)).await;
    let answer = answer.map_err(|_| format!("no whole answer within {limit:?}"))??;
    if let Some(why) = &answer.broken {
        return Err(format!("broken off: {why}"));
    }
    if session.is_open() {
        idle.lock().unwrap().push_back(session);
    }
    Ok(answer)
}

impl Report {
    /// Everything that failed.
    pub fn failures(&self) -> Vec<&Shot> {
        self.shots.iter().filter(|shot| shot.failed.is_some()).collect()
    }

    /// Fails the test if any request failed, with the first few of them.
    #[track_caller]
    pub fn must_be_clean(&self) {
        let failed = self.failures();
        let first: Vec<_> = failed.iter().take(5).collect();
        assert!(failed.is_empty(), "{} of {} failed: {first:#?}", failed.len(), self.shots.len());
    }

    /// The shots of a stretch of time.
    pub fn between(&self, from: Duration, to: Duration) -> Report {
        Report { shots: self.shots.iter().filter(|s| s.at >= from && s.at < to).cloned().collect() }
    }

    /// The time within which this share (0 to 1) of the requests was answered.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut took: Vec<Duration> = self.shots.iter().map(|shot| shot.took).collect();
        took.sort();
        let at = ((took.len() as f64 * share).ceil() as usize).clamp(1, took.len().max(1)) - 1;
        took.get(at).copied().unwrap_or(ms(0))
    }
}

/// A judge for whom every 200 is good.
pub fn any_200() -> Judge {
    Arc::new(|_, answer| match answer.status {
        200 => Ok(()),
        status => Err(format!("status {status}: {}", answer.cache_status())),
    })
}
