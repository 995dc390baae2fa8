//! Training that is killed, interrupted or out of disk space loses nothing, and resumes with identical results.
#![cfg(unix)]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use common::{CPUS, TestDir};

/// Trains for about 60 steps, with dropout.
const TRAIN: &str = "train text.txt --out model --tokens char --embed 16 --hidden 48 --layers 2 --batch 4 --bptt 16 \
                     --epochs 2 --dropout 0.3";
/// A checkpoint after every step, so that many kills hit a write.
const OFTEN: &str = "--checkpoint-every 1";

fn elman(dir: &TestDir, arguments: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("elman"));
    command.current_dir(dir.path(".")).args(arguments.split_whitespace());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn checkpoints(dir: &TestDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.path("model/checkpoints")).map(|e| e.flatten().map(|e| e.path()).collect());
    let mut paths: Vec<PathBuf> = entries.unwrap_or_default();
    paths.sort();
    paths
}

fn model(dir: &TestDir) -> Vec<u8> {
    fs::read(dir.path("model/model.safetensors")).expect("a model")
}

#[test]
fn ten_killed_runs_end_like_an_uninterrupted_one() {
    for cpu in CPUS {
        let train = format!("{TRAIN} {OFTEN} --device {cpu}");
        let undisturbed = TestDir::new();
        let start = Instant::now();
        undisturbed.run(&train).succeeds();
        let whole = start.elapsed();
        (0..10).for_each(|run| kill_and_resume(run, &train, whole, &undisturbed));
    }
}

/// Kills a run up to four times, first near its start (run 0) to near its end (run 9), then lets it finish.
fn kill_and_resume(run: u32, train: &str, whole: Duration, undisturbed: &TestDir) {
    let dir = TestDir::new();
    let resume = format!("{train} --resume");
    let mut kills = 0;
    let mut wait = whole * (run * 2 + 1) / 20;
    while kills < 4 {
        let mut child = elman(&dir, &resume).spawn().unwrap();
        sleep(wait);
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        kills += 1;
        wait = wait.mul_f64(0.61);
    }
    dir.run(&resume).succeeds();
    assert!(model(&dir) == model(undisturbed), "{train}: run {run}, killed {kills} times");
    let files = |dir: &TestDir| fs::read_dir(dir.path("model")).unwrap().count();
    assert_eq!(files(&dir), files(undisturbed), "run {run}: no temporary files remain");
    assert_eq!(checkpoints(&dir).len(), 2, "run {run}");
}

#[test]
fn ctrl_c_saves_and_prints_how_to_resume() {
    let Some(cpu) = CPUS.first() else { return };
    let settings = format!("{TRAIN} --device {cpu}");
    let undisturbed = TestDir::new();
    undisturbed.run(&settings).succeeds();
    let dir = TestDir::new();
    let child = elman(&dir, &settings).spawn().unwrap();
    let log = dir.path("model/train.jsonl");
    let start = Instant::now();
    while fs::read_to_string(&log).map_or(0, |log| log.lines().count()) < 2 && start.elapsed().as_secs() < 60 {
        sleep(Duration::from_millis(2));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("interrupted after step ") && last.contains("; to resume: elman train "), "{stderr}");
    assert!(last.ends_with(" --resume"), "{stderr}");
    assert_eq!(checkpoints(&dir).len(), 1);

    // neither overwritten nor resumed by accident
    dir.run(&settings).fails(2, "'model' already has a training run: use --resume");
    dir.run(&settings.replace("--bptt 16", "--bptt 9 --resume"))
        .fails(2, "is a checkpoint of another run: bptt is now 9");
    dir.run(&format!("{settings} --resume")).succeeds();
    assert!(model(&dir) == model(&undisturbed));
    assert!(
        dir.run(&format!("{settings} --resume")).succeeds().contains("Model written to model"),
        "nothing left to do"
    );
    dir.run(&(settings.replace("--epochs 2", "--epochs 1") + " --force")).succeeds();
    assert!(model(&dir) != model(&undisturbed));
    fs::remove_dir_all(dir.path("model/checkpoints")).unwrap();
    dir.run(&format!("{settings} --resume")).fails(2, "'model' has a model, but no checkpoint to resume from");
}

/// A small file system, unmounted on drop.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "elman"]).arg(&path).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let Some(cpu) = CPUS.first() else { return };
    let train = format!("{TRAIN} {OFTEN} --device {cpu}");
    let dir = TestDir::new();
    let Some(disk) = SmallDisk::mount(dir.path("model"), "2m") else {
        eprintln!("skipped: no permission to mount a small file system");
        return;
    };
    // fills up while checkpoints of about 400 kB are written
    fs::write(disk.0.join("ballast"), vec![0; 900_000]).unwrap();
    let output = elman(&dir, &format!("{train} --keep 9")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.contains("cannot write 'model/") && last.contains("No space left on device"), "{stderr}");
    assert!(last.contains("the last good checkpoint is 'model/checkpoints/step-0000000"), "{stderr}");
    assert!(last.contains("; to resume: elman train"), "{stderr}");
    let before: Vec<_> = checkpoints(&dir);
    assert!(!before.is_empty());

    // resumes after space was freed, with the same result
    fs::remove_file(disk.0.join("ballast")).unwrap();
    dir.run(&format!("{train} --keep 1 --resume")).succeeds();
    let undisturbed = TestDir::new();
    undisturbed.run(&train).succeeds();
    assert!(model(&dir) == model(&undisturbed));
}
