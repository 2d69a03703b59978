//! What is written is read, in every variant; what cannot be trusted is not.

use std::path::Path;

use super::*;

fn project(dir: &Path) -> Project {
    Project { root: dir.to_owned(), id: "test".to_owned(), state: dir.to_owned() }
}

fn run(number: u64, phase: SnapshotPhase) -> SnapshotRun {
    SnapshotRun { number, recipe: Mode::Dev, artefact: Some(Artefact::Run(number)), build: Some(3), phase }
}

/// Everything set, and differently from its neighbour.
fn service(name: &str) -> ServiceSnapshot {
    let reasons = [
        StopReason::Swap,
        StopReason::Asked,
        StopReason::TimeLimit,
        StopReason::Shutdown,
        StopReason::Leftovers,
    ];
    let stopping = reasons.iter().zip(3..).map(|(reason, n)| run(n, SnapshotPhase::Stopping(*reason)));
    ServiceSnapshot {
        name: name.into(),
        task: None,
        intent: Intent::Up,
        live: Some(run(9, SnapshotPhase::Started)),
        retiring: stopping.chain([run(8, SnapshotPhase::Waiting)]).collect(),
        next: Some((Mode::Release, Cause::Restart, Some(7))),
        cancelling: Some(6),
        crashes: 5,
        last_wait: Duration::from_nanos(1_500_000_001),
        due: Some(Time::from_nanos(11)),
        crash_times: vec![Time::from_nanos(1), Time::from_nanos(2)],
        rest: Some(Rest::CrashLooping { crashes: 4, within: Duration::from_secs(60) }),
        last_live: Some(LastLive { run: 8, recipe: Mode::Release, artefact: Some(Artefact::Build(2)) }),
        last_exit: Some(LastExit {
            run: 7,
            ending: Ending::Signal(11),
            at: Time::from_nanos(12),
            asked: true,
        }),
        last_build: Some(LastBuild {
            number: 6,
            recipe: Mode::Dev,
            failure: Some(BuildFailure { reason: "2 errors".to_owned() }),
            at: Time::from_nanos(13),
            took: Some(Duration::from_nanos(14)),
        }),
        build_since: Some(Time::from_nanos(15)),
        next_run: 10,
        next_build: 8,
        starts: 3,
    }
}

/// The same with every other variant in turn.
fn services() -> Vec<ServiceSnapshot> {
    let error = SpawnError { message: "no `x`".to_owned(), permanent: true };
    let failure = BuildFailure { reason: "it".to_owned() };
    let rests = [
        Rest::CannotStart { error },
        Rest::BuildFailed { build: 3, failure },
        Rest::Ended { ending: Ending::Code(-1) },
        Rest::Ended { ending: Ending::Signal(9) },
        Rest::Ended { ending: Ending::Lost },
    ];
    let causes = [Cause::Boot, Cause::Restart, Cause::Start, Cause::ReleaseSwitch];
    let with = |name: &str, change: &dyn Fn(&mut ServiceSnapshot)| {
        let mut service = service(name);
        change(&mut service);
        service
    };
    let mut all = vec![
        service("full"),
        with("idle", &|s| s.intent = Intent::Idle),
        with("down", &|s| s.intent = Intent::Down),
        with("bare", &|s| {
            (s.live, s.next, s.cancelling, s.due, s.rest) = (None, None, None, None, None);
            (s.last_live, s.last_exit, s.last_build, s.build_since) = (None, None, None, None);
        }),
        with("built", &|s| s.last_build.as_mut().unwrap().failure = None),
        with("queued", &|s| s.next = Some((Mode::Dev, Cause::Start, None))),
        with("t4", &|s| s.task = Some(TaskRules { kill_after: Some(Duration::from_millis(1500)) })),
        with("t5", &|s| s.task = Some(TaskRules::default())),
        with("endless", &|s| s.last_wait = Duration::from_nanos(u64::MAX)),
    ];
    all.extend(rests.map(|rest| with("rest", &|s| s.rest = Some(rest.clone()))));
    all.extend(causes.map(|cause| with("cause", &|s| s.next = Some((Mode::Dev, cause, Some(1))))));
    all
}

fn snapshot() -> Snapshot {
    Snapshot {
        mode: Mode::Dev,
        mode_since: Time::from_nanos(1),
        last_activity: Time::from_nanos(u64::MAX),
        ended: false,
        services: services(),
        next_task: 7,
        keys: vec![("0badcafe".into(), "web".into())],
    }
}

#[test]
fn every_variant_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path());
    save(&project, &snapshot()).unwrap();
    assert_eq!(load(&project, Time::from_nanos(99)), Some(snapshot()));
}

#[test]
fn after_an_orderly_end_only_what_is_true_at_rest_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path());
    save(&project, &Snapshot { ended: true, ..snapshot() }).unwrap();
    let now = Time::from_nanos(99);
    assert_eq!(load(&project, now), Some(snapshot().at_rest(now)));
}

/// Replaces one field of the file.
fn forge(project: &Project, field: &str, value: serde_json::Value) {
    let mut file: serde_json::Value = serde_json::from_slice(&fs::read(project.intent()).unwrap()).unwrap();
    assert!(file.get(field).is_some());
    file[field] = value;
    fs::write(project.intent(), serde_json::to_vec(&file).unwrap()).unwrap();
}

#[test]
fn nothing_of_another_boot_machine_or_namespace_is_alive() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path());
    save(&project, &snapshot()).unwrap();
    forge(&project, "world", "another boot".into());
    let now = Time::from_nanos(99);
    let loaded = load(&project, now).unwrap();
    assert_eq!(loaded, snapshot().at_rest(now));
    assert!(loaded.services.iter().all(|service| service.live.is_none() && service.retiring.is_empty()));
    assert_eq!(loaded.services[0].next_run, 10, "numbers are never used twice");
}

#[test]
fn another_version_and_garbage_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path());
    let now = Time::from_nanos(99);
    assert_eq!(load(&project, now), None);
    save(&project, &snapshot()).unwrap();
    forge(&project, "version", 2.into());
    assert_eq!(load(&project, now), None);
    save(&project, &snapshot()).unwrap();
    let whole = fs::read(project.intent()).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(project.intent(), &whole[..length]).unwrap();
        assert_eq!(load(&project, now), None, "{length} bytes");
    }
    for garbage in ["null", "[]", "{}", "{\"version\":1}", "{\"version\":\"1\"}", "\u{0}"] {
        fs::write(project.intent(), garbage).unwrap();
        assert_eq!(load(&project, now), None, "{garbage}");
    }
}

/// Fields that came later have a meaning where they are missing.
#[test]
fn a_file_from_before_builds_were_timed_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path());
    save(&project, &snapshot()).unwrap();
    let mut file: serde_json::Value = serde_json::from_slice(&fs::read(project.intent()).unwrap()).unwrap();
    for service in file["services"].as_array_mut().unwrap() {
        for field in ["last_build_took", "build_since"] {
            assert!(service.as_object_mut().unwrap().remove(field).is_some());
        }
    }
    fs::write(project.intent(), file.to_string()).unwrap();
    let mut expected = snapshot();
    for service in &mut expected.services {
        service.build_since = None;
        service.last_build.iter_mut().for_each(|build| build.took = None);
    }
    assert_eq!(load(&project, Time::from_nanos(99)), Some(expected));
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let project = project(dir.path());
    save(&project, &snapshot()).unwrap();
    fs::create_dir(dir.path().join("intent.new")).unwrap();
    assert!(save(&project, &Snapshot { mode: Mode::Release, ..snapshot() }).is_err());
    assert_eq!(load(&project, Time::from_nanos(99)), Some(snapshot()));
}
