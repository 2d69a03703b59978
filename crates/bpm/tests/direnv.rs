//! Environments of real `.envrc` files. What needs direnv is run by `scripts/test`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bpm::exec::{
    direnv::{Cache, DirenvError},
    environment::Env,
};

struct World {
    dir: tempfile::TempDir,
    env: Env,
    cache: Cache,
}

impl World {
    /// A project whose user has a home and a direnv of his own.
    fn new(envrc: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut env = Env::new();
        env.set("PATH", std::env::var_os("PATH").unwrap());
        env.set("HOME", dir.path().join("home"));
        env.set("BASE", "base");
        let world = Self { dir, env, cache: Cache::default() };
        fs::create_dir_all(world.path("home")).unwrap();
        fs::create_dir_all(world.path("project/sub dir")).unwrap();
        world.write(envrc);
        world
    }

    fn allowed(envrc: &str) -> Self {
        let world = Self::new(envrc);
        world.direnv("allow");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, envrc: &str) {
        fs::write(self.path("project/.envrc"), envrc).unwrap();
    }

    fn direnv(&self, verb: &str) {
        self.shell(&format!("direnv {verb} ."));
    }

    fn shell(&self, line: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(self.path("project")).env_clear().envs(self.env.iter());
        let output = command.output().unwrap();
        assert!(output.status.success(), "`{line}`: {}", String::from_utf8_lossy(&output.stderr));
    }

    async fn environment(&self) -> Result<Env, DirenvError> {
        self.environment_in("project").await
    }

    async fn environment_in(&self, cwd: &str) -> Result<Env, DirenvError> {
        self.cache.environment(&self.path("project"), &self.path(cwd), &self.env).await
    }

    async fn fault(&self) -> DirenvError {
        self.environment().await.expect_err("an error")
    }
}

fn value<'a>(env: &'a Env, name: &str) -> Option<&'a str> {
    env.get(name).map(|value| value.to_str().unwrap())
}

/// How often the `.envrc` was evaluated.
fn evaluations(log: &Path) -> usize {
    fs::read_to_string(log).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn without_an_envrc_the_environment_is_the_base_and_direnv_is_not_needed() {
    let mut world = World::new("");
    fs::remove_file(world.path("project/.envrc")).unwrap();
    world.env.set("PATH", "/nonexistent");
    assert_eq!(world.environment().await.unwrap(), world.env);
}

#[tokio::test]
async fn a_missing_direnv_is_named_with_the_way_to_get_it() {
    let mut world = World::new("export A=1\n");
    world.env.set("PATH", "/nonexistent");
    let fault = world.fault().await.to_string();
    let envrc = world.path("project/.envrc");
    let expected = format!(
        "`{}` needs `direnv`, which is not on `PATH` (`/nonexistent`): install it (",
        envrc.display()
    );
    assert!(fault.starts_with(&expected), "{fault}");
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_an_allowed_envrc_sets_and_unsets() {
    let mut world =
        World::allowed("export A='one two'\nunset BASE\nexport LONG=$(printf %01000d 0)\necho to stdout\n");
    world.env.set("KEPT", "kept");
    let raw = <std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(vec![b'x', 0xff]);
    world.env.set("RAW", raw.clone());
    let env = world.environment().await.unwrap();
    assert_eq!(
        (value(&env, "A"), value(&env, "BASE"), value(&env, "KEPT")),
        (Some("one two"), None, Some("kept"))
    );
    assert_eq!((env.get("RAW"), value(&env, "LONG").unwrap().len()), (Some(raw.as_os_str()), 1000));
    assert_eq!((value(&env, "LANGUAGE"), value(&env, "PWD")), (None, None));
    assert_eq!(world.environment_in("project/sub dir").await.unwrap(), env);
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_a_blocked_envrc_is_an_error_and_its_command_heals_it() {
    let world = World::new("export A=1\n");
    let DirenvError::Blocked { allow, .. } = world.fault().await else { panic!("{}", world.fault().await) };
    assert_eq!(allow, format!("direnv allow {}", world.path("project").display()));
    world.shell(&allow);
    assert_eq!(value(&world.environment().await.unwrap(), "A"), Some("1"));

    world.write("export A=2\n");
    assert!(matches!(world.fault().await, DirenvError::Blocked { .. }), "an edit blocks again");
    world.direnv("allow");
    assert_eq!(value(&world.environment().await.unwrap(), "A"), Some("2"));

    world.direnv("deny");
    assert!(matches!(world.fault().await, DirenvError::Blocked { .. }), "a denial counts at once");
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_a_directory_with_a_blank_is_quoted_in_the_command() {
    let world = World::new("export A=1\n");
    fs::rename(world.path("project/.envrc"), world.path("project/sub dir/.envrc")).unwrap();
    let Err(DirenvError::Blocked { allow, .. }) = world.environment_in("project/sub dir").await else {
        panic!()
    };
    world.shell(&allow);
    assert_eq!(value(&world.environment_in("project/sub dir").await.unwrap(), "A"), Some("1"));
    assert_eq!(world.environment().await.unwrap(), world.env, "the project itself has none");
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_a_shell_error_is_an_error_with_bashs_own_words_and_line() {
    for (envrc, expected) in [
        ("export A=1\nif [ x = ; then\nexport B=1\n", "./.envrc:4: syntax error: unexpected end of file"),
        ("export A=1\nfi\n", "./.envrc:2: syntax error near unexpected token `fi'"),
        ("export A=1\necho \"x\n", "./.envrc:2: unexpected EOF while looking for matching `\"'"),
        (
            "export A=1\nsource ./broken.sh\nexport B=1\n",
            "./broken.sh:2: syntax error: unexpected end of file",
        ),
        ("source_env ./broken.sh\n", "./broken.sh:2: syntax error: unexpected end of file"),
        ("export A=1\neval 'if ['\n", "./.envrc: eval:3: syntax error: unexpected end of file"),
        ("[[ a b ]]\n", "./.envrc:1: conditional binary operator expected"),
        ("A=$((1+))\n", "./.envrc:1: 1+: syntax error: operand expected"),
    ] {
        let world = World::allowed(envrc);
        fs::write(world.path("project/broken.sh"), "if [\n").unwrap();
        let fault = world.fault().await;
        let DirenvError::Shell { message, .. } = &fault else { panic!("{envrc:?} gave {fault}") };
        let line_of =
            |text: &str| text.split(": syntax").next().unwrap().trim_end_matches(char::is_numeric).to_owned();
        assert!(
            message.starts_with(expected) || line_of(message) == line_of(expected),
            "{envrc:?} gave {message}"
        );
    }
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_a_shell_error_is_seen_in_any_language_of_the_user() {
    let mut world = World::allowed("export A=1\nfi\n");
    for name in ["LANG", "LC_ALL", "LANGUAGE"] {
        world.env.set(name, "de_DE.UTF-8");
    }
    assert!(matches!(world.fault().await, DirenvError::Shell { .. }));
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_a_command_that_fails_is_no_error_but_a_failing_envrc_is() {
    let world = World::allowed("nosuchcommand\nfalse\nbash -c 'if ['\nexport A=1\n");
    assert_eq!(value(&world.environment().await.unwrap(), "A"), Some("1"));
    let world = World::allowed("echo the reason >&2\nexit 3\n");
    let fault = world.fault().await;
    assert!(matches!(fault, DirenvError::Failed { .. }), "{fault}");
    assert!(fault.to_string().contains("the reason\n"), "{fault}");
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_an_envrc_that_hangs_is_ended_with_its_children() {
    let mut world = World::allowed("echo waiting for the network >&2\nsleep 61 &\necho $! > pid\nwait\n");
    world.cache = Cache::with_time_limit(Duration::from_secs(2));
    let fault = world.fault().await;
    assert!(matches!(fault, DirenvError::TimedOut { .. }), "{fault}");
    let said = fault.to_string();
    assert!(
        said.contains("did not end within 2 seconds") && said.contains("waiting for the network"),
        "{said}"
    );
    let pid = fs::read_to_string(world.path("project/pid")).unwrap();
    let stat = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(tokio::time::Instant::now() < deadline, "the child outlived it");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_it_is_evaluated_once_until_something_it_depends_on_changes() {
    let mut world =
        World::allowed("echo x >> ../evaluations\nwatch_file watched\nexport A=$(cat watched 2>/dev/null)\n");
    let log = world.path("evaluations");
    let (one, two) = tokio::join!(world.environment(), world.environment_in("project/sub dir"));
    assert_eq!(one.unwrap(), two.unwrap());
    world.environment().await.unwrap();
    assert_eq!(evaluations(&log), 1, "at once and again");

    fs::write(world.path("project/watched"), "w").unwrap();
    assert_eq!(value(&world.environment().await.unwrap(), "A"), Some("w"));
    world.environment().await.unwrap();
    assert_eq!(evaluations(&log), 2, "a watched file came");

    fs::create_dir_all(world.path("home/.config/direnv")).unwrap();
    fs::write(world.path("home/.config/direnv/direnvrc"), "export FROM_RC=1\n").unwrap();
    assert_eq!(value(&world.environment().await.unwrap(), "FROM_RC"), Some("1"));
    assert_eq!(evaluations(&log), 3, "direnv's own settings changed");

    world.env.set("BASE", "other");
    assert_eq!(value(&world.environment().await.unwrap(), "BASE"), Some("other"));
    assert_eq!(evaluations(&log), 4, "another base");
    world.environment().await.unwrap();
    assert_eq!(evaluations(&log), 4);
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_what_another_directory_had_loaded_is_taken_back() {
    let mut world = World::allowed("export OTHER=other\nexport BASE=changed\n");
    let elsewhere = world.environment().await.unwrap();
    assert_eq!(value(&elsewhere, "OTHER"), Some("other"));

    // As from a shell with direnv's hook that stands in the other directory.
    fs::write(world.path("project/sub dir/.envrc"), "export OWN=1\n").unwrap();
    world.shell("direnv allow 'sub dir'");
    world.env = elsewhere.clone();
    let env = world.environment_in("project/sub dir").await.unwrap();
    assert_eq!(
        (value(&env, "OWN"), value(&env, "OTHER"), value(&env, "BASE")),
        (Some("1"), None, Some("base"))
    );

    // And in the very directory: it is evaluated anew, so that a denial is seen.
    let env = world.environment().await.unwrap();
    assert_eq!((value(&env, "OTHER"), value(&env, "BASE")), (Some("other"), Some("changed")));
    world.direnv("deny");
    assert!(matches!(world.fault().await, DirenvError::Blocked { .. }));
}

#[tokio::test]
#[ignore = "needs direnv"]
async fn needs_direnv_any_amount_of_output_is_bounded() {
    let world = World::allowed("yes 'a line of progress' | head -n 400000 >&2\nexport A=1\n");
    assert_eq!(value(&world.environment().await.unwrap(), "A"), Some("1"));
}
