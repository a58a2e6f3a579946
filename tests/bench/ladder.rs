//! The ladder: what a request costs on each rung, from a bare epoll loop to the whole of Katahai, beside what people would run
//! instead. A feature that takes five in a hundred is seen here on the day it comes.

use super::load::{self, Load};
use super::rungs::Rung;
use super::servers::{self, Server};

/// Prints a table: requests per processor second, with the ratio to the row `against`; and for the first load, what the row
/// costs, in microseconds of processor time.
fn table(title: &str, servers: &[Server], rows: &[Vec<Option<f64>>], loads: &[Load], against: &str) {
    println!("\n{title}: requests per processor second, and against {against}; {}\n", load::terms());
    print!("| server | µs a request |");
    loads.iter().for_each(|load| print!(" {} |", load.name()));
    println!("\n|---|---|{}", "---|".repeat(loads.len()));
    let other = servers.iter().position(|server| server.name == against).expect("a server of that name");
    for (server, row) in servers.iter().zip(rows) {
        print!("| {} | {:.1} |", server.name, 1e6 / row[0].unwrap_or(f64::NAN));
        for (cost, other) in row.iter().zip(&rows[other]) {
            match (cost, other) {
                (Some(cost), Some(other)) => print!(" {cost:.0} ({:.2}) |", cost / other),
                (Some(cost), None) => print!(" {cost:.0} |"),
                (None, _) => print!(" – |"),
            }
        }
        println!();
    }
}

/// Answers from a copy.
pub async fn copies() {
    let (root, other_root) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let origin = servers::origin(root.path());
    let mut dying = servers::origin(other_root.path());
    let servers = [
        servers::rung(Rung::Epoll, origin.addr()),
        servers::rung(Rung::Hyper, origin.addr()),
        servers::katahai_cache(&origin, "off").await,
        servers::katahai_cache(&origin, "on").await,
        servers::katahai_snapshot(&mut dying).await,
        servers::nginx_cache(origin.addr(), "off"),
        servers::nginx_cache(origin.addr(), "on"),
        servers::varnish(origin.addr()),
    ];
    let rows = load::compare(&servers, &Load::ALL).await;
    table("Answers from a copy", &servers, &rows, &Load::ALL, "nginx, proxy_cache");
    println!("\nwanted: 1.6 of nginx, 2.2 of Varnish, 0.75 of the epoll loop; the log at most a tenth");
}

/// Answers passed through.
pub async fn passing() {
    let root = tempfile::tempdir().unwrap();
    let origin = servers::origin(root.path());
    let servers = [
        servers::rung(Rung::Shared, origin.addr()),
        servers::rung(Rung::PerCore, origin.addr()),
        servers::katahai_unjudged(&origin).await,
        servers::katahai_passing(&origin, "off").await,
        servers::katahai_passing(&origin, "on").await,
        servers::katahai_beside_copy(&origin).await,
        servers::haproxy(origin.addr()),
        servers::nginx_proxy(origin.addr(), "off"),
        servers::nginx_proxy(origin.addr(), "on"),
    ];
    let rows = load::compare(&servers, &Load::ALL).await;
    table("Passed through", &servers, &rows, &Load::ALL, "HAProxy");
    println!("\nwanted: 0.95 of HAProxy, 1.2 of nginx, 0.85 of the better bare proxy");
}
