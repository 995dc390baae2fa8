//! What becomes of a walk whose cubes do not all come.

use cubecl::prelude::*;

use super::{Launches, Meeting, has_device_scope, meet, met, spoil};
use crate::{Buffer, Direction, Driver, Operands, Plan, ScanArgs, Sequences, Tile, product::scratch};

const TILE: Tile = Tile { rows: 1, units: 8, split: 1, staged: 1 };

/// Cubes that do nothing but meet, so many times, and write how often they did.
#[cube(launch_unchecked)]
fn only_meet(b: Meeting, into: &mut [f32], times: usize) {
    let mut met = met();
    let mut scratch = scratch(1usize, TILE);
    let mut together = true.runtime();
    let mut n = 0usize;
    while together && n < times + b.idle {
        together = meet(&b, &mut met, &mut scratch);
        n += usize::cast_from(together);
    }
    if UNIT_POS == 0 {
        into[CUBE_POS] = f32::cast_from(n);
    }
}

/// Of two cubes that meet so many times, how often they did, where the second launch has but so many of them; and whether any
/// was launched.
fn counted(client: &Client, times: usize, cubes: u32) -> Option<Vec<f32>> {
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
    let walk = ScanArgs { client, plan: None, sequences: &sequences, operands: &operands };
    let plan = Plan { driver: Driver::Persistent, tile: TILE };
    let launches = Launches { walk, plan, columns: 2, kernel: "only meet".into() };
    let into = Buffer::zeros(client, 2);
    let counts = launches.go(std::iter::once(0..1).collect(), |count, meeting, piece| {
        let (count, times) = if piece.is_empty() { (count, 1) } else { (CubeCount::Static(cubes, 1, 1), times) };
        // SAFETY: there is a number for each cube, and a count for their row
        unsafe { only_meet::launch_unchecked(client, count, plan.dim(), meeting, into.arg(), times) };
    })?;
    spoil(client, &counts, &[&into]);
    let bytes = client.read_one(into.into_handle()).expect("the cubes have left");
    Some(bytes.chunks_exact(4).take(2).map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("four"))).collect())
}

#[test]
fn cubes_that_do_not_come_spoil_what_was_walked() {
    let client = cubecl::Device::default().client();
    match (counted(&client, 50, 2), counted(&client, 50, 1)) {
        (Some(all), Some(one)) => {
            assert_eq!(all, [50.0, 50.0]);
            assert!(one.iter().all(|number| number.is_nan()), "found {one:?}");
        }
        // asked of the same device, so both
        (all, one) => {
            assert!(all.is_none() && one.is_none(), "found {all:?} and {one:?}");
            println!("skipped: the device does not run two cubes at once, or one cannot see what the other wrote");
        }
    }
}

#[test]
fn cubes_do_not_meet_without_device_scope() {
    let client = cubecl::Device::default().client();
    if !has_device_scope(&client) {
        assert_eq!(counted(&client, 1, 2), None);
    }
}

#[test]
fn what_was_walked_stays_where_all_cubes_came() {
    let client = cubecl::Device::default().client();
    for (counts, is_spoiled) in [([0u32, 7], false), ([1, 7], true)] {
        let bytes: Vec<u8> = counts.iter().flat_map(|count| count.to_ne_bytes()).collect();
        let counts = Buffer::new(client.create_from_slice(&bytes), 2);
        let numbers = Buffer::zeros(&client, 100_000);
        spoil(&client, &counts, &[&numbers]);
        let bytes = client.read_one(numbers.into_handle()).expect("the launch has ended");
        let numbers = bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("four")));
        assert!(numbers.take(100_000).all(|number| number.is_nan() == is_spoiled));
    }
}
