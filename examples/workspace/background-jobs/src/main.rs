//! A worker that does a job every few seconds and says so.

use std::env;
use std::thread;
use std::time::Duration;

fn main() {
    let seconds = env::var("JOB_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    println!("job-worker, version 1, a job every {seconds} s (pid {})", std::process::id());
    for job in 1_u64.. {
        thread::sleep(Duration::from_secs(seconds));
        println!("job {job} done");
    }
}
