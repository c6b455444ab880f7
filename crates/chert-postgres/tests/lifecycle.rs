//! The life of a private PostgreSQL, with the real binaries.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, like tests")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chert_postgres::{Options, PostgresError, PrivatePostgres, TemporaryPostgres, find_binaries};
use sqlx::{Connection, PgConnection};

fn options(data_dir: PathBuf, durable: bool) -> Options {
    Options {
        data_dir,
        durable,
        port: None,
        max_connections: 20,
        shared_buffers_mb: 16,
        extra: Vec::new(),
    }
}

async fn connect(server: &PrivatePostgres) -> PgConnection {
    PgConnection::connect(&server.url("postgres")).await.unwrap()
}

async fn notes(server: &PrivatePostgres) -> Vec<i32> {
    let mut db = connect(server).await;
    sqlx::query_scalar("SELECT note FROM notes ORDER BY note").fetch_all(&mut db).await.unwrap()
}

async fn add_note(server: &PrivatePostgres, note: i32) {
    let mut db = connect(server).await;
    sqlx::query("INSERT INTO notes VALUES ($1)").bind(note).execute(&mut db).await.unwrap();
}

async fn create_notes(server: &PrivatePostgres) {
    let mut db = connect(server).await;
    sqlx::query("CREATE TABLE notes (note int)").execute(&mut db).await.unwrap();
}

#[tokio::test]
async fn data_survives_restart_crash_and_stop() {
    let dir = tempfile::tempdir().unwrap();
    close_to_others(dir.path());
    let data_dir = dir.path().join("deep/er/data");
    let mut server = PrivatePostgres::start(options(data_dir.clone(), true)).await.unwrap();
    create_notes(&server).await;
    add_note(&server, 1).await;

    let (port, pid) = (server.port(), server.pid());
    server.restart().await.unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    add_note(&server, 2).await;

    server.kill().await;
    assert!(!server.is_running());
    assert!(PgConnection::connect(&server.url("postgres")).await.is_err());
    server.restart().await.unwrap();
    assert_eq!(server.port(), port);
    add_note(&server, 3).await;

    // The postmaster's own death, which no clean-up follows.
    Command::new("kill").args(["-KILL", &server.pid().to_string()]).status().unwrap();
    server.restart().await.unwrap();
    add_note(&server, 4).await;
    server.stop().await.unwrap();
    assert!(!data_dir.join("postmaster.pid").exists());

    let server = PrivatePostgres::start(options(data_dir, true)).await.unwrap();
    assert_eq!(notes(&server).await, vec![1, 2, 3, 4]);
}

#[tokio::test]
async fn ensure_database_can_be_repeated() {
    let server = TemporaryPostgres::start(20).await.unwrap();
    for _ in 0..2 {
        server.ensure_database("chert").await.unwrap();
    }
    PgConnection::connect(&server.url("chert")).await.unwrap();
}

#[tokio::test]
async fn dropping_stops_the_server_and_removes_temporary_data() {
    let server = TemporaryPostgres::start(20).await.unwrap();
    let (pid, log) = (server.pid(), server.log_path().to_owned());
    assert!(log.exists());
    drop(server);
    assert!(!process_exists(pid));
    assert!(!log.parent().unwrap().exists());
}

#[tokio::test]
async fn a_second_owner_of_a_data_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = PrivatePostgres::start(options(dir.path().join("data"), false)).await.unwrap();
    let second = PrivatePostgres::start(options(dir.path().join("data"), false)).await;
    assert!(matches!(second, Err(PostgresError::InUse { .. })), "{second:?}");
    assert!(first.is_running());
}

#[tokio::test]
async fn errors_name_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("photos")).unwrap();
    std::fs::write(dir.path().join("photos/cat.jpg"), "cat").unwrap();
    let error = PrivatePostgres::start(options(dir.path().join("photos"), true)).await.unwrap_err();
    assert!(matches!(error, PostgresError::NotACluster { .. }), "{error}");
    assert!(dir.path().join("photos/cat.jpg").exists());

    let mut wrong = options(dir.path().join("data"), false);
    wrong.extra.push(("no_such_setting".to_owned(), "1".to_owned()));
    let error = PrivatePostgres::start(wrong).await.unwrap_err();
    assert!(error.to_string().contains("unrecognized configuration parameter"), "{error}");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut taken = options(dir.path().join("data"), false);
    taken.port = Some(listener.local_addr().unwrap().port());
    let error = PrivatePostgres::start(taken).await.unwrap_err();
    assert!(matches!(error, PostgresError::PortTaken { .. }), "{error}");
}

#[test]
fn a_closed_parent_is_explained_to_root() {
    if !nix::unistd::Uid::effective().is_root() {
        return; // Only root runs PostgreSQL as somebody else.
    }
    let dir = tempfile::tempdir().unwrap();
    close_to_others(dir.path());
    let closed = dir.path().to_string_lossy().into_owned();
    let error = chert_postgres::check_location(&dir.path().join("x/data")).unwrap_err();
    assert!(error.to_string().contains(&format!("chmod o+x {closed}")), "{error}");
    chert_postgres::check_location(&std::env::temp_dir().join("not/there/yet")).unwrap();
}

#[test]
fn find_binaries_finds_the_server() {
    assert!(find_binaries().unwrap().join("postgres").is_file());
}

/// Environment variable that turns [`parent_process`] into the parent of a server.
const PARENT_DATA_DIR: &str = "CHERT_TEST_PARENT_DATA_DIR";

/// Not a test by itself: the two tests below run this binary again to have a process to kill.
#[tokio::test]
async fn parent_process() {
    let Ok(data_dir) = std::env::var(PARENT_DATA_DIR) else {
        return;
    };
    let server = PrivatePostgres::start(options(data_dir.into(), true)).await.unwrap();
    create_notes(&server).await;
    add_note(&server, 7).await;
    println!("\nserver {}", server.pid());
    std::future::pending::<()>().await;
}

/// Starts a process that owns a server; gives both.
fn spawn_parent(data_dir: &Path) -> (Child, i32) {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "parent_process", "--nocapture"])
        .env(PARENT_DATA_DIR, data_dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let pid = lines
        .find_map(|line| line.unwrap().strip_prefix("server ").map(|pid| pid.parse().unwrap()))
        .unwrap();
    (parent, pid)
}

fn process_exists(pid: i32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn the_server_stops_when_its_parent_dies() {
    let dir = tempfile::tempdir().unwrap();
    let (mut parent, pid) = spawn_parent(&dir.path().join("data"));
    assert!(process_exists(pid));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while process_exists(pid) {
        assert!(Instant::now() < deadline, "PostgreSQL {pid} outlived its parent");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_start_right_after_the_parent_was_killed_keeps_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().join("data");
    let (mut parent, _) = spawn_parent(&data_dir);
    parent.kill().unwrap();
    parent.wait().unwrap();
    let server = PrivatePostgres::start(options(data_dir, true)).await.unwrap();
    assert_eq!(notes(&server).await, vec![7]);
}

fn close_to_others(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).unwrap();
}
