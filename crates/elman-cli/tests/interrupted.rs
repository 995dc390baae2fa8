//! Training that is killed, interrupted or out of space loses nothing, and ends as one that was not.
#![cfg(unix)]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use common::{CPUS, Place};

/// Trains in some 60 steps with dropout.
const TRAIN: &str = "train text.txt --out model --tokens char --embed 16 --hidden 48 --layers 2 --batch 4 --bptt 16 \
                     --epochs 2 --dropout 0.3";
/// A checkpoint after every step, so that many a kill meets its write.
const OFTEN: &str = "--checkpoint-every 1";

fn elman(place: &Place, arguments: &str) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("elman"));
    command.current_dir(place.path(".")).args(arguments.split_whitespace());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn checkpoints(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path("model/checkpoints")).map(|e| e.flatten().map(|e| e.path()).collect());
    let mut paths: Vec<PathBuf> = entries.unwrap_or_default();
    paths.sort();
    paths
}

fn model(place: &Place) -> Vec<u8> {
    fs::read(place.path("model/model.safetensors")).expect("a model")
}

#[test]
fn ten_killed_runs_end_as_the_undisturbed_one() {
    for cpu in CPUS {
        let train = format!("{TRAIN} {OFTEN} --device {cpu}");
        let undisturbed = Place::new();
        let begin = Instant::now();
        undisturbed.run(&train).succeeds();
        let whole = begin.elapsed();
        (0..10).for_each(|run| kill_and_resume(run, &train, whole, &undisturbed));
    }
}

/// Kills a run up to four times, from its very begin (run 0) to its very end (run 9), and lets it end.
fn kill_and_resume(run: u32, train: &str, whole: Duration, undisturbed: &Place) {
    let place = Place::new();
    let resume = format!("{train} --resume");
    let mut kills = 0;
    let mut wait = whole * (run * 2 + 1) / 20;
    while kills < 4 {
        let mut child = elman(&place, &resume).spawn().unwrap();
        sleep(wait);
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        kills += 1;
        wait = wait.mul_f64(0.61);
    }
    place.run(&resume).succeeds();
    assert!(model(&place) == model(undisturbed), "{train}: run {run}, killed {kills} times");
    let files = |place: &Place| fs::read_dir(place.path("model")).unwrap().count();
    assert_eq!(files(&place), files(undisturbed), "run {run}: nothing half written stays");
    assert_eq!(checkpoints(&place).len(), 2, "run {run}");
}

#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let Some(cpu) = CPUS.first() else { return };
    let settings = format!("{TRAIN} --device {cpu}");
    let undisturbed = Place::new();
    undisturbed.run(&settings).succeeds();
    let place = Place::new();
    let child = elman(&place, &settings).spawn().unwrap();
    let log = place.path("model/train.jsonl");
    let begin = Instant::now();
    while fs::read_to_string(&log).map_or(0, |log| log.lines().count()) < 2 && begin.elapsed().as_secs() < 60 {
        sleep(Duration::from_millis(2));
    }
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.starts_with("interrupted after step ") && last.contains("; to go on: elman train "), "{stderr}");
    assert!(last.ends_with(" --resume"), "{stderr}");
    assert_eq!(checkpoints(&place).len(), 1);

    // neither overwritten nor gone on with by accident
    place.run(&settings).fails(2, "'model' already has a training run: go on with --resume");
    place
        .run(&settings.replace("--bptt 16", "--bptt 9 --resume"))
        .fails(2, "is a checkpoint of another run: bptt is 9 now");
    place.run(&format!("{settings} --resume")).succeeds();
    assert!(model(&place) == model(&undisturbed));
    assert!(place.run(&format!("{settings} --resume")).succeeds().contains("The model is in model"), "nothing left");
    place.run(&(settings.replace("--epochs 2", "--epochs 1") + " --force")).succeeds();
    assert!(model(&place) != model(&undisturbed));
    fs::remove_dir_all(place.path("model/checkpoints")).unwrap();
    place.run(&format!("{settings} --resume")).fails(2, "'model' has a model and no checkpoint to go on from");
}

/// A file system of some size that is unmounted at the end.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&path).unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "elman"]).arg(&path).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_says_so() {
    let Some(cpu) = CPUS.first() else { return };
    let train = format!("{TRAIN} {OFTEN} --device {cpu}");
    let place = Place::new();
    let Some(disk) = Small::mount(place.path("model"), "2m") else {
        eprintln!("skipped: mounting a small file system is not permitted here");
        return;
    };
    // fills up while checkpoints of some 400 kB are written
    fs::write(disk.0.join("ballast"), vec![0; 900_000]).unwrap();
    let output = elman(&place, &format!("{train} --keep 9")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let last = stderr.lines().last().unwrap();
    assert!(last.contains("cannot write 'model/") && last.contains("No space left on device"), "{stderr}");
    assert!(last.contains("the last good checkpoint is 'model/checkpoints/step-0000000"), "{stderr}");
    assert!(last.contains("; to go on: elman train"), "{stderr}");
    let before: Vec<_> = checkpoints(&place);
    assert!(!before.is_empty());

    // with room again it goes on and ends as it would have
    fs::remove_file(disk.0.join("ballast")).unwrap();
    place.run(&format!("{train} --keep 1 --resume")).succeeds();
    let undisturbed = Place::new();
    undisturbed.run(&train).succeeds();
    assert!(model(&place) == model(&undisturbed));
}
