//! The character model on a graphics card, or a driver in software, beside the same on a processor.
#![cfg(all(feature = "flex", feature = "wgpu"))]

mod common;

use std::fs;

use common::Place;

/// Without dropout, whose masks each kind of device draws in its own way, as it does the first weights: those are made on a
/// processor, in the first epoch.
const TRAIN: &str = "train text.txt --out model --tokens char --embed 16 --hidden 40 --layers 2 --batch 4 --bptt 16 \
                     --dropout 0 --checkpoint-every 1 --resume";
/// float32 rounding of other sums and another `exp`, through some twenty steps.
const TOLERANCE: f64 = 1e-4;

fn epoch(place: &Place, n: u64) -> serde_json::Value {
    let log = fs::read_to_string(place.path("model/train.jsonl")).unwrap();
    let mut events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    events.find(|event| event["event"] == "epoch" && event["epoch"] == n).expect("the epoch")
}

#[test]
fn training_goes_on_there_with_the_losses_of_the_processor() {
    for cell in ["lstm", "gru", "min-gru"] {
        let [processor, card] = [("flex", Place::new()), ("wgpu", Place::new())].map(|(device, place)| {
            place.run(&format!("{TRAIN} --cell {cell} --epochs 1 --device flex --seed 3")).succeeds();
            place.run(&format!("{TRAIN} --cell {cell} --epochs 2 --device {device} --seed 3")).succeeds();
            place
        });
        assert_eq!(
            epoch(&processor, 1)["train_loss"],
            epoch(&card, 1)["train_loss"],
            "{cell}: the first epoch is the same"
        );
        let loss = |place: &Place| epoch(place, 2)["train_loss"].as_f64().unwrap();
        let (expected, found) = (loss(&processor), loss(&card));
        assert!(expected < epoch(&processor, 1)["train_loss"].as_f64().unwrap(), "{cell}: it learns");
        assert!((found / expected - 1.0).abs() < TOLERANCE, "{cell}: found {found}, expected {expected}");
        let valid = |place: &Place| epoch(place, 2)["valid"]["loss"].as_f64().unwrap();
        let (expected, found) = (valid(&processor), valid(&card));
        assert!((found / expected - 1.0).abs() < TOLERANCE, "{cell}: validation: found {found}, expected {expected}");
    }
}
