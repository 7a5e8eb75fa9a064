//! Known: what a hundred thousand permits weigh in the caches, how soon they are known, and what a second list costs.
//!
//! Decides what the API server would send: lists in pages, watches that stay silent until a new list is asked for. The
//! caches are filled in a process of their own. Does not know how they keep what they hold.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use permit_harness::eventually;
use permit_harness::process::Process;
use permit_operator::cluster::caches::Feed;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::machine::memory_mib;
use crate::report::{Report, say};
use crate::reviewed::reviewed;

const PERMITS: usize = 100_000;
/// What kube asks for at a time.
const PAGE: usize = 500;
const PATIENCE: Duration = Duration::from_mins(2);
/// How long after the load the process is weighed.
const REST: Duration = Duration::from_secs(10);
/// P8 and P9 of the budgets; a MB is no MiB.
const LIMIT_MIB: f64 = 150.0 * 1_000_000.0 / 1_048_576.0;
const LIMIT_SECONDS: f64 = 2.0;
const LIMIT_PEAK: f64 = 1.2;

/// What the API server knows and was asked.
struct Shown {
    pages: Vec<Bytes>,
    served: AtomicUsize,
    /// Ends every watch of permits so that a new list is needed.
    expire: Notify,
}

/// Measures weight, start and peak.
pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let pages: Vec<Bytes> = (0..PERMITS / PAGE).map(page).collect();
    let size: usize = pages.iter().map(Bytes::len).sum();
    let shown = Arc::new(Shown {
        pages,
        served: AtomicUsize::new(0),
        expire: Notify::new(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut serving = JoinSet::new();
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&shown));
    serving.spawn(async move { axum::serve(listener, router).await });
    let dir = TempDir::new()?;
    let mut command = Command::new(std::env::current_exe().context("find the running program")?);
    command.args(["--know", &url]);
    let process = Process::start("know", command, &dir.path().join("log"))?;
    let seconds = || async {
        process.check_alive()?;
        let log = fs::read_to_string(process.log())?;
        let (first, _) = log.split_once('\n').context("not filled yet")?;
        first.parse::<f64>().context("it told no time")
    };
    let seconds = eventually(PATIENCE, "the caches are filled", seconds).await?;
    tokio::time::sleep(REST).await;
    let weight = memory_mib(process.id(), "VmRSS")?;
    report.raw_line(format!(
        "100,000 permits: {} bytes of JSON each; VmHWM after the first list {:.1} MiB",
        size / PERMITS,
        memory_mib(process.id(), "VmHWM")?
    ));
    let peak = peak_of_relist(&shown, &process).await?;
    report.figure("cold-start-100k-permits", (seconds, "s"), LIMIT_SECONDS);
    report.figure("memory-100k-permits", (weight, "MiB"), LIMIT_MIB);
    report.figure(
        "relist-peak-100k-permits",
        (peak / weight, "times"),
        LIMIT_PEAK,
    );
    report.note("known", note());
    Ok(())
}

/// The most that the process weighs while it lists everything again, in MiB.
async fn peak_of_relist(shown: &Shown, process: &Process) -> Result<f64> {
    // The kernel forgets the highest weight so far.
    fs::write(format!("/proc/{}/clear_refs", process.id()), "5")?;
    shown.expire.notify_waiters();
    let listed = || async {
        let served = shown.served.load(Ordering::Relaxed);
        ensure!(served >= 2 * shown.pages.len(), "{served} pages so far");
        Ok(())
    };
    eventually(PATIENCE, "everything is listed again", listed).await?;
    tokio::time::sleep(REST).await;
    memory_mib(process.id(), "VmHWM")
}

fn note() -> String {
    format!(
        "a process with the operator's caches and their watches, over HTTP from an API server that is a function here: \
         {PERMITS} permits in review with their status and managed fields, in pages of {PAGE}. Start: from the first \
         request until everything is known. Weight: VmRSS {REST:?} after that; peak: VmHWM of a second list over it, \
         after the watch has expired. The process is the benchmark's own program, with the system's allocator."
    )
}

fn page(number: usize) -> Bytes {
    let next = (number + 1 < PERMITS / PAGE).then(|| (number + 1).to_string());
    let items: Vec<String> = (number * PAGE..(number + 1) * PAGE).map(reviewed).collect();
    let metadata = json!({"resourceVersion": "1", "continue": next});
    format!(
        r#"{{"apiVersion":"permits.dev/v1alpha1","kind":"PermitList","metadata":{metadata},"items":[{}]}}"#,
        items.join(",")
    )
    .into()
}

async fn answer(State(shown): State<Arc<Shown>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let of_permits = request.uri().path().ends_with("/permits");
    if query.contains("watch=true") {
        return watch(shown, of_permits);
    }
    if !of_permits {
        return r#"{"apiVersion":"v1","kind":"List","metadata":{"resourceVersion":"1"},"items":[]}"#
            .into_response();
    }
    shown.served.fetch_add(1, Ordering::Relaxed);
    let from = query.split('&').find_map(|p| p.strip_prefix("continue="));
    let number = from.and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
    shown
        .pages
        .get(number)
        .cloned()
        .unwrap_or_default()
        .into_response()
}

/// Silent; one of permits ends when they expire.
fn watch(shown: Arc<Shown>, of_permits: bool) -> Response {
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "metadata": {},
        "status": "Failure", "message": "too old", "reason": "Expired", "code": 410}});
    let expired = futures::stream::once(async move {
        if of_permits {
            shown.expire.notified().await;
        } else {
            std::future::pending::<()>().await;
        }
        Ok::<_, std::io::Error>(Bytes::from(format!("{gone}\n")))
    });
    Body::from_stream(expired.chain(futures::stream::pending())).into_response()
}

/// Fills caches from there, tells how long it took, and lies still.
pub(crate) async fn know(url: &str) -> Result<()> {
    let client = kube::Client::try_from(kube::Config::new(url.parse()?))?;
    let began = Instant::now();
    let feed = Feed::new(&client, "permit-system");
    let mut watches = JoinSet::new();
    for watching in feed.watches {
        watches.spawn(watching.run);
    }
    feed.caches.filled().await;
    say(&began.elapsed().as_secs_f64().to_string());
    while watches.join_next().await.is_some() {}
    Ok(())
}
