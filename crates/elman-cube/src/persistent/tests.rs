//! Scans whose cubes do not all run.

use cubecl::prelude::*;

use super::{GridBarrier, PersistentScan, grid_sync, has_device_scope, poison_if_timed_out, sync_state};
use crate::{Buffer, Direction, Driver, Operands, Plan, ScanArgs, Sequences, Tile, product::scratch};

const TILE: Tile = Tile { rows: 1, threads: 8, split: 1, staged: 1 };

/// Passes `rounds` barriers, and writes how many each cube passed.
#[cube(launch_unchecked)]
fn barriers_only(b: GridBarrier, into: &mut [f32], rounds: usize) {
    let mut sync = sync_state();
    let mut scratch = scratch(1usize, TILE);
    let mut complete = true.runtime();
    let mut n = 0usize;
    while complete && n < rounds + b.trial_rounds {
        complete = grid_sync(&b, &mut sync, &mut scratch);
        n += usize::cast_from(complete);
    }
    if UNIT_POS == 0 {
        into[CUBE_POS] = f32::cast_from(n);
    }
}

/// How many barriers each of two cubes passed, if the launch after the trial has only `cubes` cubes; `None` if the
/// device did not pass the trial.
fn passed_barriers(client: &Client, rounds: usize, cubes: u32) -> Option<Vec<f32>> {
    let sequences = Sequences { time: 1, batch: 1, hidden: 1, output: 1, direction: Direction::Forward, lengths: None };
    let operands = Operands {
        weights: None,
        bias: None,
        projection: None,
        gain: None,
        state: Buffer::zeros(client, 1),
        dropout: None,
        zoneout: None,
    };
    let scan = ScanArgs { client, plan: None, sequences: &sequences, operands: &operands };
    let plan = Plan { driver: Driver::Persistent, tile: TILE };
    let persistent = PersistentScan { scan, plan, column_cubes: 2, kernel: "barriers only".into() };
    let into = Buffer::zeros(client, 2);
    let counters = persistent.launch_all(std::iter::once(0..1).collect(), |count, barrier, chunk| {
        let (count, rounds) = if chunk.is_empty() { (count, 1) } else { (CubeCount::Static(cubes, 1, 1), rounds) };
        // SAFETY: `into` has one element per cube, and there is a counter for their row
        unsafe { barriers_only::launch_unchecked(client, count, plan.cube_dim(), barrier, into.arg(), rounds) };
    })?;
    poison_if_timed_out(client, &counters, &[&into]);
    let bytes = client.read_one(into.into_handle()).expect("the cubes have ended");
    Some(bytes.chunks_exact(4).take(2).map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("four"))).collect())
}

#[test]
fn a_missing_cube_poisons_the_results() {
    let client = cubecl::Device::default().client();
    match (passed_barriers(&client, 50, 2), passed_barriers(&client, 50, 1)) {
        (Some(all), Some(one)) => {
            assert_eq!(all, [50.0, 50.0]);
            assert!(one.iter().all(|value| value.is_nan()), "found {one:?}");
        }
        // both depend on the device only
        (all, one) => {
            assert!(all.is_none() && one.is_none(), "found {all:?} and {one:?}");
            println!("skipped: the device does not run two cubes concurrently, or has no device memory scope");
        }
    }
}

#[test]
fn the_persistent_driver_needs_device_scope() {
    let client = cubecl::Device::default().client();
    if !has_device_scope(&client) {
        assert_eq!(passed_barriers(&client, 1, 2), None);
    }
}

#[test]
fn results_are_poisoned_only_after_a_timeout() {
    let client = cubecl::Device::default().client();
    for (counters, is_poisoned) in [([0u32, 7], false), ([1, 7], true)] {
        let bytes: Vec<u8> = counters.iter().flat_map(|counter| counter.to_ne_bytes()).collect();
        let counters = Buffer::new(client.create_from_slice(&bytes), 2);
        let values = Buffer::zeros(&client, 100_000);
        poison_if_timed_out(&client, &counters, &[&values]);
        let bytes = client.read_one(values.into_handle()).expect("the launch has ended");
        let values = bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("four")));
        assert!(values.take(100_000).all(|value| value.is_nan() == is_poisoned));
    }
}
