//! Cubes that meet after each step walk as a launch for each step does, bit by bit; and where not all of them run at once, or
//! one cannot see what another wrote, the walk goes another way.
#![cfg(feature = "wgpu")]

mod support;

use std::sync::{Mutex, PoisonError};

use elman_cube::{Buffer, Direction, Driver, Kernel, Operands, Plan, ScanArgs, Sequences, StorageDtype, Tile, Zoneout};
use support::{Numbers, read};

/// Time steps, rows, hidden units.
type Size = [usize; 3];

/// Two cubes side by side, which a driver in software runs at once if it has two threads: walking forward, and back.
const TWO_FORWARD: Tile = Tile { rows: 4, units: 32, split: 2, staged: 2 };
const TWO_BACK: Tile = Tile { rows: 4, units: 8, split: 2, staged: 4 };
/// A hundred cubes, of which such a driver runs some after the others have ended.
const HUNDRED: Tile = Tile { rows: 1, units: 8, split: 1, staged: 4 };

/// What is there besides the plain recurrence.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ScanOptions {
    Plain,
    /// From the last step to the first, with lengths and recurrent dropout.
    Reverse,
    Rates,
    Masks,
    Normalised,
    /// Numbers of 16 bits, where the device has them.
    Half,
}

/// Walks are counted on a device, and tests run side by side.
static ONE_WALK: Mutex<()> = Mutex::new(());

/// All numbers of a walk and of the walk back, and whether cubes met in the one and in the other.
fn walk(kernel: &Kernel, variant: ScanOptions, [time, batch, hidden]: Size, plan: Plan) -> (Vec<Vec<f32>>, [bool; 2]) {
    let client = cubecl::Device::default().client();
    let mut numbers = Numbers { client: &client, state: 7 };
    let rows = kernel.gates() * hidden;
    let is_half = variant == ScanOptions::Half && StorageDtype::F16.is_supported(&client);
    let number = if is_half { StorageDtype::F16 } else { StorageDtype::F32 };
    let is_reverse = variant == ScanOptions::Reverse;
    let direction = if is_reverse { Direction::Reverse } else { Direction::Forward };
    let lengths = (0..batch).flat_map(|row| (((row * 5 + 2) % (time + 1)) as u32).to_ne_bytes());
    let lengths: Vec<u8> = lengths.collect();
    let lengths = is_reverse.then(|| Buffer::new(client.create_from_slice(&lengths), batch));
    let sequences = Sequences { time, batch, hidden, output: hidden, direction, lengths };
    let (states, steps) = (sequences.state_len(kernel.states(), 1), sequences.state_len(kernel.states(), time));
    let operands = Operands {
        weights: Some(numbers.next_of(rows * hidden, 0.5, number)),
        bias: (variant != ScanOptions::Plain).then(|| numbers.next(rows, 1.0)),
        projection: None,
        gain: (variant == ScanOptions::Normalised).then(|| numbers.next(rows, 2.0)),
        state: numbers.next(states, 2.0),
        dropout: is_reverse.then(|| numbers.next(batch * hidden, 2.0)),
        zoneout: match variant {
            ScanOptions::Rates => Some(Zoneout::Rates([0.25, 0.125])),
            ScanOptions::Masks => Some(Zoneout::Masks(numbers.next(steps, 1.0))),
            _ => None,
        },
    };
    let (input, gradient) = (numbers.next_of(time * batch * rows, 4.0, number), numbers.next(steps, 2.0));
    let walk = ScanArgs { client: &client, plan: Some(plan), sequences: &sequences, operands: &operands };
    let one_walk = ONE_WALK.lock().unwrap_or_else(PoisonError::into_inner);
    let before = Driver::persistent_scans(&client);
    let walked = kernel.forward(walk, &input, true);
    let between = Driver::persistent_scans(&client);
    let by = kernel.backward(walk, &walked, &gradient);
    let after = Driver::persistent_scans(&client);
    drop(one_walk);
    let all = [Some(walked.states), Some(by.input), by.recurrent, Some(by.state)];
    (all.into_iter().flatten().map(|buffer| read(&client, &buffer)).collect(), [between > before, after > between])
}

/// Whether the cubes of a walk meet.
#[derive(Clone, Copy, PartialEq)]
enum Meet {
    Never,
    /// Where the device runs so many at once.
    Perhaps,
    /// Two do on a driver in software, which has two threads.
    Two,
}

/// That a walk whose cubes meet is that of a launch for each step; and whether they met, forward and back.
fn check(kernel: &Kernel, variant: ScanOptions, size: Size, tile: Tile, meet: [Meet; 2]) {
    let (expected, _) = walk(kernel, variant, size, Plan { driver: Driver::Step, tile });
    let (found, have_met) = walk(kernel, variant, size, Plan { driver: Driver::Persistent, tile });
    let name = format!("{kernel:?} {variant:?} {size:?} {tile:?}");
    for (n, (found, expected)) in found.iter().flatten().zip(expected.iter().flatten()).enumerate() {
        assert!(found == expected && found.is_finite(), "{name}: {n}: found {found}, expected {expected}");
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for (n, direction) in ["forward", "back"].into_iter().enumerate() {
        let (may, must) = if has_device_scope() {
            (meet[n] != Meet::Never, meet[n] == Meet::Two && is_software() && threads > 1)
        } else {
            (false, false)
        };
        assert!(may || !have_met[n], "{name}: cubes have met {direction}");
        assert!(have_met[n] || !must, "{name}: cubes have not met {direction}");
        if meet[n] != Meet::Never && !have_met[n] {
            println!("{name}: skipped {direction}: the device does not run all cubes at once");
        }
    }
}

/// Whether the device makes one cube see what another has written.
fn has_device_scope() -> bool {
    cubecl::Device::default().client().properties().features.device_memory_scope
}

/// Whether it is a driver in software, which runs as many cubes at once as it has threads.
fn is_software() -> bool {
    cubecl::Device::default().client().properties().hardware.plane_size_max < 16
}

#[test]
fn cubes_that_meet_forward_walk_as_a_launch_for_each_step_does() {
    let meet = [Meet::Two, Meet::Perhaps];
    for variant in [ScanOptions::Plain, ScanOptions::Reverse, ScanOptions::Rates, ScanOptions::Masks, ScanOptions::Half]
    {
        check(&Kernel::lstm(), variant, [9, 4, 37], TWO_FORWARD, meet);
    }
    check(&Kernel::gru(), ScanOptions::Reverse, [9, 3, 64], TWO_FORWARD, meet);
    check(&Kernel::rnn_tanh(), ScanOptions::Plain, [9, 4, 50], TWO_FORWARD, meet);
}

#[test]
fn cubes_that_meet_walk_back_as_a_launch_for_each_step_does() {
    let meet = [Meet::Perhaps, Meet::Two];
    for variant in [ScanOptions::Plain, ScanOptions::Reverse, ScanOptions::Rates, ScanOptions::Masks, ScanOptions::Half]
    {
        check(&Kernel::lstm(), variant, [9, 4, 37], TWO_BACK, meet);
    }
    check(&Kernel::gru(), ScanOptions::Reverse, [9, 3, 64], TWO_BACK, meet);
    check(&Kernel::rnn_relu(), ScanOptions::Plain, [9, 4, 50], TWO_BACK, meet);
}

/// More steps than one launch has.
#[test]
fn cubes_meet_in_one_launch_after_another() {
    check(&Kernel::gru(), ScanOptions::Plain, [2500, 2, 34], TWO_FORWARD, [Meet::Two, Meet::Perhaps]);
}

#[test]
fn cubes_that_do_not_run_at_once_are_not_asked_to_meet() {
    let meet = if is_software() { Meet::Never } else { Meet::Perhaps };
    check(&Kernel::lstm(), ScanOptions::Plain, [5, 20, 40], HUNDRED, [meet; 2]);
    check(&Kernel::gru(), ScanOptions::Plain, [5, 20, 40], HUNDRED, [meet; 2]);
}

#[test]
fn steps_of_several_phases_go_another_way() {
    check(&Kernel::lstm(), ScanOptions::Normalised, [5, 4, 37], TWO_FORWARD, [Meet::Never; 2]);
    check(&Kernel::gru_reset_before(), ScanOptions::Plain, [5, 4, 37], TWO_FORWARD, [Meet::Never; 2]);
}
