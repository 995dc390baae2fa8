//! The persistent driver is bit-identical to the step driver. It is not used if not all cubes run concurrently, or if
//! one cannot see what another wrote.
#![cfg(feature = "wgpu")]

mod support;

use std::sync::{Mutex, PoisonError};

use elman_cube::{Buffer, Direction, Driver, Kernel, Operands, Plan, ScanArgs, Sequences, StorageDtype, Tile, Zoneout};
use support::{Random, read};

/// Time steps, rows, hidden units.
type Size = [usize; 3];

/// Tiles with two cubes, in forward and in backward, which a software driver runs concurrently if it has two threads.
const TWO_FORWARD: Tile = Tile { rows: 4, threads: 32, split: 2, staged: 2 };
const TWO_BACKWARD: Tile = Tile { rows: 4, threads: 8, split: 2, staged: 4 };
/// A tile with a hundred cubes, of which a software driver runs some only after others have ended.
const HUNDRED: Tile = Tile { rows: 1, threads: 8, split: 1, staged: 4 };

/// The options of the scan.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Options {
    Plain,
    /// In reverse, with lengths and recurrent dropout.
    Reverse,
    ZoneoutRates,
    ZoneoutMasks,
    LayerNorm,
    /// f16, if the device supports it.
    Half,
}

/// Scans are counted per device, and tests run concurrently.
static SCAN_LOCK: Mutex<()> = Mutex::new(());

/// All results of forward and backward, and whether each of them was persistent.
fn run(kernel: &Kernel, options: Options, [time, batch, hidden]: Size, plan: Plan) -> (Vec<Vec<f32>>, [bool; 2]) {
    let client = cubecl::Device::default().client();
    let mut random = Random { client: &client, state: 7 };
    let rows = kernel.gates() * hidden;
    let is_half = options == Options::Half && StorageDtype::F16.is_supported(&client);
    let dtype = if is_half { StorageDtype::F16 } else { StorageDtype::F32 };
    let is_reverse = options == Options::Reverse;
    let direction = if is_reverse { Direction::Reverse } else { Direction::Forward };
    let lengths = (0..batch).flat_map(|row| (((row * 5 + 2) % (time + 1)) as u32).to_ne_bytes());
    let lengths: Vec<u8> = lengths.collect();
    let lengths = is_reverse.then(|| Buffer::new(client.create_from_slice(&lengths), batch));
    let sequences = Sequences { time, batch, hidden, output: hidden, direction, lengths };
    let (states, steps) = (sequences.state_len(kernel.states(), 1), sequences.state_len(kernel.states(), time));
    let operands = Operands {
        weights: Some(random.next_as(rows * hidden, 0.5, dtype)),
        bias: (options != Options::Plain).then(|| random.next(rows, 1.0)),
        projection: None,
        gain: (options == Options::LayerNorm).then(|| random.next(rows, 2.0)),
        state: random.next(states, 2.0),
        dropout: is_reverse.then(|| random.next(batch * hidden, 2.0)),
        zoneout: match options {
            Options::ZoneoutRates => Some(Zoneout::Rates([0.25, 0.125])),
            Options::ZoneoutMasks => Some(Zoneout::Masks(random.next(steps, 1.0))),
            _ => None,
        },
    };
    let (input, gradient) = (random.next_as(time * batch * rows, 4.0, dtype), random.next(steps, 2.0));
    let scan = ScanArgs { client: &client, plan: Some(plan), sequences: &sequences, operands: &operands };
    let guard = SCAN_LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = Driver::persistent_scans(&client);
    let outputs = kernel.forward(scan, &input, true);
    let between = Driver::persistent_scans(&client);
    let gradients = kernel.backward(scan, &outputs, &gradient);
    let after = Driver::persistent_scans(&client);
    drop(guard);
    let all = [Some(outputs.states), Some(gradients.input), gradients.recurrent, Some(gradients.state)];
    (all.into_iter().flatten().map(|buffer| read(&client, &buffer)).collect(), [between > before, after > between])
}

/// Whether a scan is expected to be persistent.
#[derive(Clone, Copy, PartialEq)]
enum Persistent {
    Never,
    /// If the device runs all cubes concurrently.
    Maybe,
    /// Certainly on a software driver with two threads.
    WithTwoThreads,
}

/// Compares the persistent driver with the step driver, and checks whether forward and backward were persistent.
fn check(kernel: &Kernel, options: Options, size: Size, tile: Tile, persistent: [Persistent; 2]) {
    let (expected, _) = run(kernel, options, size, Plan { driver: Driver::Step, tile });
    let (found, is_persistent) = run(kernel, options, size, Plan { driver: Driver::Persistent, tile });
    let name = format!("{kernel:?} {options:?} {size:?} {tile:?}");
    for (n, (found, expected)) in found.iter().flatten().zip(expected.iter().flatten()).enumerate() {
        assert!(found == expected && found.is_finite(), "{name}: {n}: found {found}, expected {expected}");
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for (n, pass) in ["forward", "backward"].into_iter().enumerate() {
        let (may, must) = if has_device_scope() {
            (
                persistent[n] != Persistent::Never,
                persistent[n] == Persistent::WithTwoThreads && is_software() && threads > 1,
            )
        } else {
            (false, false)
        };
        assert!(may || !is_persistent[n], "{name}: {pass} was persistent");
        assert!(is_persistent[n] || !must, "{name}: {pass} was not persistent");
        if persistent[n] != Persistent::Never && !is_persistent[n] {
            println!("{name}: skipped {pass}: the device does not run all cubes concurrently");
        }
    }
}

/// Whether the device can make writes of one cube visible to others.
fn has_device_scope() -> bool {
    cubecl::Device::default().client().properties().features.device_memory_scope
}

/// Whether the device is a software driver, which runs one cube per thread.
fn is_software() -> bool {
    cubecl::Device::default().client().properties().hardware.plane_size_max < 16
}

#[test]
fn the_persistent_forward_is_bit_identical_to_the_step_driver() {
    let persistent = [Persistent::WithTwoThreads, Persistent::Maybe];
    for options in [Options::Plain, Options::Reverse, Options::ZoneoutRates, Options::ZoneoutMasks, Options::Half] {
        check(&Kernel::lstm(), options, [9, 4, 37], TWO_FORWARD, persistent);
    }
    check(&Kernel::gru(), Options::Reverse, [9, 3, 64], TWO_FORWARD, persistent);
    check(&Kernel::rnn_tanh(), Options::Plain, [9, 4, 50], TWO_FORWARD, persistent);
}

#[test]
fn the_persistent_backward_is_bit_identical_to_the_step_driver() {
    let persistent = [Persistent::Maybe, Persistent::WithTwoThreads];
    for options in [Options::Plain, Options::Reverse, Options::ZoneoutRates, Options::ZoneoutMasks, Options::Half] {
        check(&Kernel::lstm(), options, [9, 4, 37], TWO_BACKWARD, persistent);
    }
    check(&Kernel::gru(), Options::Reverse, [9, 3, 64], TWO_BACKWARD, persistent);
    check(&Kernel::rnn_relu(), Options::Plain, [9, 4, 50], TWO_BACKWARD, persistent);
}

/// More steps than fit in one launch.
#[test]
fn long_scans_take_several_persistent_launches() {
    check(&Kernel::gru(), Options::Plain, [2500, 2, 34], TWO_FORWARD, [Persistent::WithTwoThreads, Persistent::Maybe]);
}

#[test]
fn the_persistent_driver_needs_concurrent_cubes() {
    let persistent = if is_software() { Persistent::Never } else { Persistent::Maybe };
    check(&Kernel::lstm(), Options::Plain, [5, 20, 40], HUNDRED, [persistent; 2]);
    check(&Kernel::gru(), Options::Plain, [5, 20, 40], HUNDRED, [persistent; 2]);
}

#[test]
fn steps_of_several_phases_are_not_persistent() {
    check(&Kernel::lstm(), Options::LayerNorm, [5, 4, 37], TWO_FORWARD, [Persistent::Never; 2]);
    check(&Kernel::gru_reset_before(), Options::Plain, [5, 4, 37], TWO_FORWARD, [Persistent::Never; 2]);
}
