//! Every way of launching and dividing a walk gives the same numbers; the one that is chosen is compared with the reference
//! where burn is at hand, in `elman-recurrence`.
#![cfg(feature = "wgpu")]

mod support;

use elman_cube::{
    Buffer, Direction, Driver, Gradients, Kernel, Operands, Plan, ScanArgs, ScanOutput, Sequences, StorageDtype, Tile,
    Zoneout,
};
use support::{Numbers, read};

/// The same sums in another order, over nine steps.
const TOLERANCE: f32 = 1e-5;

/// Time steps, rows, hidden units.
type Size = [usize; 3];
const SMALL: Size = [9, 5, 37];
/// Beyond what fits into shared memory, and into a tile.
const LARGE: Size = [2, 19, 300];

/// What is there besides the plain recurrence.
#[derive(Clone, Copy, Debug)]
enum ScanOptions {
    Plain,
    Normalised,
    Projected,
    Zoneout,
    /// Half of the rows walk back.
    BothWays,
}

/// All that comes of a walk and of the walk back, by name.
fn walk(kernel: &Kernel, variant: ScanOptions, size: Size, plan: Option<Plan>) -> Vec<(&'static str, Vec<f32>)> {
    walk_of(kernel, variant, size, plan, StorageDtype::F32)
}

fn walk_of(
    kernel: &Kernel,
    variant: ScanOptions,
    [time, batch, hidden]: Size,
    plan: Option<Plan>,
    number: StorageDtype,
) -> Vec<(&'static str, Vec<f32>)> {
    let client = cubecl::Device::default().client();
    let mut numbers = Numbers { client: &client, state: 7 };
    let direction =
        if matches!(variant, ScanOptions::BothWays) { Direction::Bidirectional } else { Direction::Forward };
    let sides = if direction == Direction::Bidirectional { 2 } else { 1 };
    let (rows, batch) = (kernel.gates() * hidden, batch * sides);
    let output = if matches!(variant, ScanOptions::Projected) { 6 } else { hidden };
    let lengths = (0..batch).map(|row| ((row * 5 + 2) % (time + 1)) as u32);
    let lengths: Vec<u8> = lengths.flat_map(|length| length.to_ne_bytes()).collect();
    let lengths = Some(Buffer::new(client.create_from_slice(&lengths), batch));
    let sequences = Sequences { time, batch, hidden, output, direction, lengths };
    let (states, steps) = (sequences.state_len(kernel.states(), 1), sequences.state_len(kernel.states(), time));
    let operands = Operands {
        weights: kernel.is_recurrent().then(|| numbers.next_of(sides * rows * output, 0.5, number)),
        bias: kernel.is_recurrent().then(|| numbers.next(sides * rows, 1.0)),
        projection: matches!(variant, ScanOptions::Projected).then(|| numbers.next_of(output * hidden, 0.5, number)),
        gain: matches!(variant, ScanOptions::Normalised).then(|| numbers.next(rows, 2.0)),
        state: numbers.next(states, 2.0),
        dropout: None,
        zoneout: matches!(variant, ScanOptions::Zoneout).then_some(Zoneout::Rates([0.25, 0.125])),
    };
    let (input, gradient) = (numbers.next_of(time * batch * rows, 4.0, number), numbers.next(steps, 2.0));
    let walk = ScanArgs { client: &client, plan, sequences: &sequences, operands: &operands };
    let walked = kernel.forward(walk, &input, true);
    let Gradients { input, recurrent, product, gain, state, projected, late } =
        kernel.backward(walk, &walked, &gradient);
    let ScanOutput { states, .. } = walked;
    let all = [
        ("states", Some(states)),
        ("by the input", Some(input)),
        ("by the recurrent product", recurrent),
        ("by the product", product),
        ("by the gain", gain),
        ("by the state", Some(state)),
        ("by the projected", projected),
        ("late", late),
    ];
    all.into_iter().filter_map(|(name, buffer)| Some((name, read(&client, &buffer?)))).collect()
}

fn check(kernel: &Kernel, variant: ScanOptions, size: Size, tiles: &[Tile]) {
    let expected = walk(kernel, variant, size, None);
    let plans = [Driver::Step, Driver::Resident].into_iter().flat_map(|d| tiles.iter().map(move |t| (d, *t)));
    for plan in plans.map(|(driver, tile)| Plan { driver, tile }) {
        for ((name, found), (_, expected)) in walk(kernel, variant, size, Some(plan)).iter().zip(&expected) {
            assert_eq!(found.len(), expected.len(), "{kernel:?} {variant:?} {plan:?}: {name}");
            for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
                let off = (found - expected).abs();
                assert!(
                    off <= TOLERANCE * (1.0 + expected.abs()),
                    "{kernel:?} {variant:?} {plan:?}: {name} {n}: found {found}, expected {expected}"
                );
            }
        }
    }
}

const TILES: [Tile; 3] = [
    Tile { rows: 1, units: 8, split: 1, staged: 4 },
    Tile { rows: 2, units: 16, split: 4, staged: 8 },
    Tile { rows: 4, units: 64, split: 2, staged: 2 },
];

#[test]
fn every_plan_gives_the_same_numbers() {
    check(&Kernel::lstm(), ScanOptions::Plain, SMALL, &TILES);
    check(&Kernel::lstm(), ScanOptions::Projected, SMALL, &TILES);
    check(&Kernel::gru(), ScanOptions::Normalised, SMALL, &TILES);
    check(&Kernel::gru(), ScanOptions::Zoneout, SMALL, &TILES);
    check(&Kernel::gru_reset_before(), ScanOptions::Plain, SMALL, &TILES);
    check(&Kernel::gru_reset_before(), ScanOptions::BothWays, SMALL, &TILES);
}

#[test]
fn every_plan_gives_the_same_numbers_with_a_late_product_that_is_normalised() {
    check(&Kernel::gru_reset_before(), ScanOptions::Normalised, SMALL, &TILES);
}

#[test]
fn the_plan_that_is_chosen_fits_the_device() {
    for kernel in [Kernel::rnn_tanh(), Kernel::gru_reset_before(), Kernel::lstm()] {
        for variant in [ScanOptions::Plain, ScanOptions::Normalised] {
            check(&kernel, variant, LARGE, &TILES[1..2]);
        }
    }
    // one step of a cube alone would be more turns of loops than a driver in software has
    let expected = walk(&Kernel::rnn_tanh(), ScanOptions::Plain, [1, 2, 4100], None);
    let plan = Plan { driver: Driver::Step, tile: TILES[1] };
    let found = walk(&Kernel::rnn_tanh(), ScanOptions::Plain, [1, 2, 4100], Some(plan));
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // sums of 4,100 terms
        assert!(off < 1e-3, "{name}: off by {off}");
    }
}

/// What is stored in 16 bits is as near as those are: the same inputs, which all of them have exactly, give states that differ
/// by nothing, and gradients that differ by the rounding of what was saved and of each other.
#[test]
fn numbers_of_16_bits_are_as_near_as_they_can_be() {
    let client = cubecl::Device::default().client();
    for (number, tolerance) in [(StorageDtype::F16, 4e-3), (StorageDtype::Bf16, 3e-2)] {
        if !number.is_supported(&client) {
            println!("skipped: the device has no numbers of {number:?}");
            continue;
        }
        for (kernel, variant) in [
            (Kernel::lstm(), ScanOptions::Plain),
            (Kernel::lstm(), ScanOptions::Projected),
            (Kernel::gru(), ScanOptions::Normalised),
            (Kernel::gru_reset_before(), ScanOptions::Zoneout),
            (Kernel::min_gru(), ScanOptions::Zoneout),
        ] {
            let expected = walk(&kernel, variant, SMALL, None);
            for ((name, found), (_, expected)) in walk_of(&kernel, variant, SMALL, None, number).iter().zip(&expected) {
                let largest = expected.iter().fold(0.0f32, |most, value| most.max(value.abs()));
                let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let tolerance = if *name == "states" { 0.0 } else { tolerance };
                assert!(
                    off <= tolerance * largest && found.len() == expected.len(),
                    "{kernel:?} {variant:?} {number:?}: {name}: off by {off} of {largest}"
                );
            }
        }
    }
}

#[test]
fn the_same_walk_gives_the_same_bits() {
    for kernel in [Kernel::lstm(), Kernel::min_gru()] {
        assert_eq!(walk(&kernel, ScanOptions::Plain, SMALL, None), walk(&kernel, ScanOptions::Plain, SMALL, None));
    }
}

/// More steps than a device counts cubes in one direction: the whole walk ends where its second half does.
#[test]
fn time_has_no_limit_of_its_own() {
    let client = cubecl::Device::default().client();
    let (time, hidden) = (70_000, 3);
    for kernel in [Kernel::rnn_tanh(), Kernel::min_gru()] {
        let mut numbers = Numbers { client: &client, state: 5 };
        let rows = kernel.gates() * hidden;
        let weights = kernel.is_recurrent().then(|| numbers.next(rows * hidden, 1.0));
        let (state, input) = (numbers.next(hidden, 1.0), numbers.next(time * rows, 4.0));
        let walk = |input: &Buffer, state: Buffer| {
            let time = input.len() / rows;
            let sequences =
                Sequences { time, batch: 1, hidden, output: hidden, direction: Direction::Forward, lengths: None };
            let operands = Operands {
                weights: weights.clone(),
                bias: None,
                projection: None,
                gain: None,
                state,
                dropout: None,
                zoneout: None,
            };
            let walk = ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands };
            read(&client, &kernel.forward(walk, input, false).states)
        };
        let up = |numbers: &[f32]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
            Buffer::new(client.create_from_slice(&bytes), numbers.len())
        };
        let whole = walk(&input, state);
        let (half, input) = (time / 2, read(&client, &input));
        let second = walk(&up(&input[half * rows..]), up(&whole[(half - 1) * hidden..half * hidden]));
        let (found, expected) = (&whole[half * hidden..], &second[..]);
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < TOLERANCE && found.len() == expected.len(), "{kernel:?}: off by {off}");
    }
}

#[test]
#[should_panic(expected = "GB in one buffer, and the device takes")]
fn a_walk_that_is_too_large_for_the_device_is_refused() {
    let client = cubecl::Device::default().client();
    let mut numbers = Numbers { client: &client, state: 1 };
    // the sizes alone are looked at first
    let sequences = Sequences {
        time: 1 << 20,
        batch: 1 << 12,
        hidden: 64,
        output: 64,
        direction: Direction::Forward,
        lengths: None,
    };
    let operands = Operands {
        weights: Some(numbers.next(1, 1.0)),
        bias: None,
        projection: None,
        gain: None,
        state: numbers.next(1, 1.0),
        dropout: None,
        zoneout: None,
    };
    let input = numbers.next(1, 1.0);
    let walk = ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands };
    Kernel::gru().forward(walk, &input, false);
}

#[test]
#[should_panic(expected = "bias: found 3 numbers, expected 12")]
fn a_buffer_of_another_length_is_named() {
    let client = cubecl::Device::default().client();
    let mut numbers = Numbers { client: &client, state: 1 };
    let sequences = Sequences { time: 1, batch: 1, hidden: 3, output: 3, direction: Direction::Forward, lengths: None };
    let operands = Operands {
        weights: Some(numbers.next(36, 1.0)),
        bias: Some(numbers.next(3, 1.0)),
        projection: None,
        gain: None,
        state: numbers.next(6, 1.0),
        dropout: None,
        zoneout: None,
    };
    let input = numbers.next(12, 1.0);
    Kernel::lstm().forward(
        ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands },
        &input,
        false,
    );
}

/// A driver in software leaves loops after so many turns in all: long walks are cut into launches.
#[test]
fn a_long_walk_with_many_phases_is_whole() {
    // a launch a step, divided as the plan that is chosen divides it, so that the sums have the same order
    let tile = Tile { rows: 16, units: 64, split: 1, staged: 2 };
    for kernel in [Kernel::lstm(), Kernel::gru_reset_before()] {
        check(&kernel, ScanOptions::Normalised, [64, 16, 256], &[tile]);
    }
}
