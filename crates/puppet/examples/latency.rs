use bpm_shim::{
    client::Connection,
    launch::launch,
    plan::Plan,
    protocol::{Report, Request},
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
fn main() {
    let exe = PathBuf::from(std::env::args().nth(1).unwrap());
    let t = Duration::from_secs(10);
    let mut d = vec![];
    let mut gone = vec![];
    for i in 0..300 {
        let home = tempfile::tempdir().unwrap();
        let mut p = Plan::new(format!("lat/{i}"), "/bin/sleep", "/");
        p.args = vec!["100".into()];
        let t0 = Instant::now();
        let mut l = launch(&exe, home.path(), &p).unwrap();
        let mut c = Connection::new(l.control.try_clone().unwrap());
        loop {
            match c.next(t) {
                Ok(Some(Report::Started { .. })) => break,
                Ok(other) => {
                    if i > 299 {
                        println!("{other:?}")
                    }
                }
                Err(e) => {
                    println!("HANG {i} {e} shim {}", l.shim_pid);
                    println!("{}", String::from_utf8_lossy(&std::process::Command::new("sh").arg("-c").arg(format!("cat /proc/{0}/stack /proc/{0}/status /proc/{0}/syscall; cat /proc/{0}/task/{0}/children; ls -la /proc/{0}/fd {1}; for c in $(cat /proc/{0}/task/{0}/children); do cat /proc/$c/status /proc/$c/stack /proc/$c/cmdline; ls -la /proc/$c/fd; done", l.shim_pid, home.path().display())).output().unwrap().stdout));
                    std::process::exit(1);
                }
            }
        }
        d.push(t0.elapsed().as_micros());
        if i == 0 {
            std::thread::sleep(Duration::from_millis(1000));
            let s = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", l.shim_pid)).unwrap();
            println!(
                "{}",
                s.lines()
                    .filter(|l| l.starts_with("Rss") || l.starts_with("Pss:") || l.starts_with("Private"))
                    .collect::<Vec<_>>()
                    .join("\n")
            );
            let s = std::fs::read_to_string(format!("/proc/{}/smaps", l.shim_pid)).unwrap();
            let mut head = String::new();
            for line in s.lines() {
                if line.contains('-') && !line.contains(':') || line.split(' ').next().unwrap().contains('-')
                {
                    head = line.to_owned();
                }
                if line.starts_with("Private_Dirty") && !line.contains(" 0 kB") {
                    println!("{line}  {head}");
                }
            }
        }
        let t1 = Instant::now();
        c.send(Request::Kill).unwrap();
        while let Some(_) = c.next(t).unwrap() {}
        gone.push(t1.elapsed().as_micros());
        l.child.wait().unwrap();
    }
    d.sort();
    gone.sort();
    println!(
        "spawn-to-Started us p50 {} p95 {} min {}; kill-to-gone p50 {} p95 {}",
        d[150], d[285], d[0], gone[150], gone[285]
    );
}
