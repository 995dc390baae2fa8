//! The character model on a GPU, or a software driver, compared with a CPU.
#![cfg(all(feature = "flex", feature = "wgpu"))]

mod common;

use std::fs;

use common::TestDir;

/// Without dropout, since each backend samples different masks. It also samples different initial weights, so the first
/// epoch runs on the CPU.
const TRAIN: &str = "train text.txt --out model --tokens char --embed 16 --hidden 40 --layers 2 --batch 4 --bptt 16 \
                     --dropout 0 --checkpoint-every 1 --resume";
/// f32 rounding of sums in another order and of another `exp`, over about twenty steps.
const TOLERANCE: f64 = 1e-4;

fn epoch(dir: &TestDir, n: u64) -> serde_json::Value {
    let log = fs::read_to_string(dir.path("model/train.jsonl")).unwrap();
    let mut events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.find(|event| event["event"] == "epoch" && event["epoch"] == n).expect("the epoch")
}

#[test]
fn training_resumes_on_the_gpu_with_the_losses_of_the_cpu() {
    for cell in ["lstm", "gru", "min-gru"] {
        let [cpu, gpu] = [("flex", TestDir::new()), ("wgpu", TestDir::new())].map(|(device, dir)| {
            dir.run(&format!("{TRAIN} --cell {cell} --epochs 1 --device flex --seed 3")).succeeds();
            dir.run(&format!("{TRAIN} --cell {cell} --epochs 2 --device {device} --seed 3")).succeeds();
            dir
        });
        assert_eq!(epoch(&cpu, 1)["train_loss"], epoch(&gpu, 1)["train_loss"], "{cell}: the first epoch is the same");
        let loss = |dir: &TestDir| epoch(dir, 2)["train_loss"].as_f64().unwrap();
        let (expected, found) = (loss(&cpu), loss(&gpu));
        assert!(expected < epoch(&cpu, 1)["train_loss"].as_f64().unwrap(), "{cell}: it learns");
        assert!((found / expected - 1.0).abs() < TOLERANCE, "{cell}: found {found}, expected {expected}");
        let valid = |dir: &TestDir| epoch(dir, 2)["valid"]["loss"].as_f64().unwrap();
        let (expected, found) = (valid(&cpu), valid(&gpu));
        assert!((found / expected - 1.0).abs() < TOLERANCE, "{cell}: validation: found {found}, expected {expected}");
    }
}
