//! Every driver and tile gives the same results. `elman-recurrence`, which depends on burn, compares the default plan
//! with the reference.
#![cfg(feature = "wgpu")]

mod support;

use elman_cube::{
    Buffer, Direction, Driver, Gradients, Kernel, Operands, Plan, ScanArgs, ScanOutput, Sequences, StorageDtype, Tile,
    Zoneout,
};
use support::{Random, read};

/// The order of summation differs, over nine steps.
const TOLERANCE: f32 = 1e-5;

/// Time steps, rows, hidden units.
type Size = [usize; 3];
const SMALL: Size = [9, 5, 37];
/// Too large for shared memory and for a tile.
const LARGE: Size = [2, 19, 300];

/// The options of the scan.
#[derive(Clone, Copy, Debug)]
enum Options {
    Plain,
    LayerNorm,
    Projection,
    Zoneout,
    /// Half of the rows are scanned in reverse.
    Bidirectional,
}

/// All results of forward and backward, by name.
fn run(kernel: &Kernel, options: Options, size: Size, plan: Option<Plan>) -> Vec<(&'static str, Vec<f32>)> {
    run_as(kernel, options, size, plan, StorageDtype::F32)
}

fn run_as(
    kernel: &Kernel,
    options: Options,
    [time, batch, hidden]: Size,
    plan: Option<Plan>,
    dtype: StorageDtype,
) -> Vec<(&'static str, Vec<f32>)> {
    let client = cubecl::Device::default().client();
    let mut random = Random { client: &client, state: 7 };
    let direction =
        if matches!(options, Options::Bidirectional) { Direction::Bidirectional } else { Direction::Forward };
    let directions = if direction == Direction::Bidirectional { 2 } else { 1 };
    let (rows, batch) = (kernel.gates() * hidden, batch * directions);
    let output = if matches!(options, Options::Projection) { 6 } else { hidden };
    let lengths = (0..batch).map(|row| ((row * 5 + 2) % (time + 1)) as u32);
    let lengths: Vec<u8> = lengths.flat_map(|length| length.to_ne_bytes()).collect();
    let lengths = Some(Buffer::new(client.create_from_slice(&lengths), batch));
    let sequences = Sequences { time, batch, hidden, output, direction, lengths };
    let (states, steps) = (sequences.state_len(kernel.states(), 1), sequences.state_len(kernel.states(), time));
    let operands = Operands {
        weights: kernel.is_recurrent().then(|| random.next_as(directions * rows * output, 0.5, dtype)),
        bias: kernel.is_recurrent().then(|| random.next(directions * rows, 1.0)),
        projection: matches!(options, Options::Projection).then(|| random.next_as(output * hidden, 0.5, dtype)),
        gain: matches!(options, Options::LayerNorm).then(|| random.next(rows, 2.0)),
        state: random.next(states, 2.0),
        dropout: None,
        zoneout: matches!(options, Options::Zoneout).then_some(Zoneout::Rates([0.25, 0.125])),
    };
    let (input, gradient) = (random.next_as(time * batch * rows, 4.0, dtype), random.next(steps, 2.0));
    let scan = ScanArgs { client: &client, plan, sequences: &sequences, operands: &operands };
    let outputs = kernel.forward(scan, &input, true);
    let Gradients { input, recurrent, product, gain, state, projected, late } =
        kernel.backward(scan, &outputs, &gradient);
    let ScanOutput { states, .. } = outputs;
    let all = [
        ("states", Some(states)),
        ("d_input", Some(input)),
        ("d_recurrent", recurrent),
        ("d_product", product),
        ("d_gain", gain),
        ("d_state", Some(state)),
        ("d_projected", projected),
        ("candidate input", late),
    ];
    all.into_iter().filter_map(|(name, buffer)| Some((name, read(&client, &buffer?)))).collect()
}

fn check(kernel: &Kernel, options: Options, size: Size, tiles: &[Tile]) {
    let expected = run(kernel, options, size, None);
    let plans = [Driver::Step, Driver::Resident].into_iter().flat_map(|d| tiles.iter().map(move |t| (d, *t)));
    for plan in plans.map(|(driver, tile)| Plan { driver, tile }) {
        for ((name, found), (_, expected)) in run(kernel, options, size, Some(plan)).iter().zip(&expected) {
            assert_eq!(found.len(), expected.len(), "{kernel:?} {options:?} {plan:?}: {name}");
            for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
                let off = (found - expected).abs();
                assert!(
                    off <= TOLERANCE * (1.0 + expected.abs()),
                    "{kernel:?} {options:?} {plan:?}: {name} {n}: found {found}, expected {expected}"
                );
            }
        }
    }
}

const TILES: [Tile; 3] = [
    Tile { rows: 1, threads: 8, split: 1, staged: 4 },
    Tile { rows: 2, threads: 16, split: 4, staged: 8 },
    Tile { rows: 4, threads: 64, split: 2, staged: 2 },
];

#[test]
fn all_plans_agree() {
    check(&Kernel::lstm(), Options::Plain, SMALL, &TILES);
    check(&Kernel::lstm(), Options::Projection, SMALL, &TILES);
    check(&Kernel::gru(), Options::LayerNorm, SMALL, &TILES);
    check(&Kernel::gru(), Options::Zoneout, SMALL, &TILES);
    check(&Kernel::gru_reset_before(), Options::Plain, SMALL, &TILES);
    check(&Kernel::gru_reset_before(), Options::Bidirectional, SMALL, &TILES);
}

#[test]
fn all_plans_agree_with_a_normalized_candidate_product() {
    check(&Kernel::gru_reset_before(), Options::LayerNorm, SMALL, &TILES);
}

#[test]
fn the_default_plan_fits_the_device() {
    for kernel in [Kernel::rnn_tanh(), Kernel::gru_reset_before(), Kernel::lstm()] {
        for options in [Options::Plain, Options::LayerNorm] {
            check(&kernel, options, LARGE, &TILES[1..2]);
        }
    }
    // a resident cube would exceed the loop iterations of a software driver in a single step
    let expected = run(&Kernel::rnn_tanh(), Options::Plain, [1, 2, 4100], None);
    let plan = Plan { driver: Driver::Step, tile: TILES[1] };
    let found = run(&Kernel::rnn_tanh(), Options::Plain, [1, 2, 4100], Some(plan));
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // sums of 4,100 terms
        assert!(off < 1e-3, "{name}: off by {off}");
    }
}

/// The inputs are exact in every dtype, so the states are identical. Gradients differ by the rounding of saved values
/// and of gradients.
#[test]
fn f16_and_bf16_differ_by_rounding_only() {
    let client = cubecl::Device::default().client();
    for (dtype, tolerance) in [(StorageDtype::F16, 4e-3), (StorageDtype::Bf16, 3e-2)] {
        if !dtype.is_supported(&client) {
            println!("skipped: the device does not support {dtype:?}");
            continue;
        }
        for (kernel, options) in [
            (Kernel::lstm(), Options::Plain),
            (Kernel::lstm(), Options::Projection),
            (Kernel::gru(), Options::LayerNorm),
            (Kernel::gru_reset_before(), Options::Zoneout),
            (Kernel::min_gru(), Options::Zoneout),
        ] {
            let expected = run(&kernel, options, SMALL, None);
            for ((name, found), (_, expected)) in run_as(&kernel, options, SMALL, None, dtype).iter().zip(&expected) {
                let largest = expected.iter().fold(0.0f32, |max, value| max.max(value.abs()));
                let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let tolerance = if *name == "states" { 0.0 } else { tolerance };
                assert!(
                    off <= tolerance * largest && found.len() == expected.len(),
                    "{kernel:?} {options:?} {dtype:?}: {name}: off by {off} of {largest}"
                );
            }
        }
    }
}

#[test]
fn scans_are_deterministic() {
    for kernel in [Kernel::lstm(), Kernel::min_gru()] {
        assert_eq!(run(&kernel, Options::Plain, SMALL, None), run(&kernel, Options::Plain, SMALL, None));
    }
}

/// More steps than the maximum cube count in one dimension. The end of the whole scan equals a scan of its second half.
#[test]
fn the_number_of_time_steps_is_not_limited() {
    let client = cubecl::Device::default().client();
    let (time, hidden) = (70_000, 3);
    for kernel in [Kernel::rnn_tanh(), Kernel::min_gru()] {
        let mut random = Random { client: &client, state: 5 };
        let rows = kernel.gates() * hidden;
        let weights = kernel.is_recurrent().then(|| random.next(rows * hidden, 1.0));
        let (state, input) = (random.next(hidden, 1.0), random.next(time * rows, 4.0));
        let states = |input: &Buffer, state: Buffer| {
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
            let scan = ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands };
            read(&client, &kernel.forward(scan, input, false).states)
        };
        let upload = |values: &[f32]| {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
            Buffer::new(client.create_from_slice(&bytes), values.len())
        };
        let whole = states(&input, state);
        let (half, input) = (time / 2, read(&client, &input));
        let second = states(&upload(&input[half * rows..]), upload(&whole[(half - 1) * hidden..half * hidden]));
        let (found, expected) = (&whole[half * hidden..], &second[..]);
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < TOLERANCE && found.len() == expected.len(), "{kernel:?}: off by {off}");
    }
}

#[test]
#[should_panic(expected = "GB in one buffer, and the device supports")]
fn a_scan_that_is_too_large_for_the_device_is_rejected() {
    let client = cubecl::Device::default().client();
    let mut random = Random { client: &client, state: 1 };
    // the sizes are checked first, so the buffers can be small
    let sequences = Sequences {
        time: 1 << 20,
        batch: 1 << 12,
        hidden: 64,
        output: 64,
        direction: Direction::Forward,
        lengths: None,
    };
    let operands = Operands {
        weights: Some(random.next(1, 1.0)),
        bias: None,
        projection: None,
        gain: None,
        state: random.next(1, 1.0),
        dropout: None,
        zoneout: None,
    };
    let input = random.next(1, 1.0);
    let scan = ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands };
    Kernel::gru().forward(scan, &input, false);
}

#[test]
#[should_panic(expected = "bias: found 3 values, expected 12")]
fn the_error_names_a_buffer_of_wrong_length() {
    let client = cubecl::Device::default().client();
    let mut random = Random { client: &client, state: 1 };
    let sequences = Sequences { time: 1, batch: 1, hidden: 3, output: 3, direction: Direction::Forward, lengths: None };
    let operands = Operands {
        weights: Some(random.next(36, 1.0)),
        bias: Some(random.next(3, 1.0)),
        projection: None,
        gain: None,
        state: random.next(6, 1.0),
        dropout: None,
        zoneout: None,
    };
    let input = random.next(12, 1.0);
    Kernel::lstm().forward(
        ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands },
        &input,
        false,
    );
}

/// Software drivers limit the loop iterations of a launch, so long scans are divided into launches.
#[test]
fn a_long_scan_with_many_phases_is_complete() {
    // the tile of the default plan, so that the order of summation is the same
    let tile = Tile { rows: 16, threads: 64, split: 1, staged: 2 };
    for kernel in [Kernel::lstm(), Kernel::gru_reset_before()] {
        check(&kernel, Options::LayerNorm, [64, 16, 256], &[tile]);
    }
}
