//! Every way of launching and dividing a walk gives the same numbers; the one that is chosen is compared with the reference
//! where burn is at hand, in `elman-recurrence`.
#![cfg(feature = "wgpu")]

use cubecl::prelude::*;
use elman_cube::{Buffer, Driver, Gradients, Kernel, Operands, Plan, Sequences, Tile, Walk, Walked, Zoneout};

/// The same sums in another order, over nine steps.
const TOLERANCE: f32 = 1e-5;

const TIME: usize = 9;
const BATCH: usize = 5;
const HIDDEN: usize = 37;

/// Numbers between −1/2 and 1/2, always the same.
struct Numbers<'a> {
    client: &'a Client,
    state: u32,
}

impl Numbers<'_> {
    fn next(&mut self, len: usize, scale: f32) -> Buffer {
        let mut one = || {
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            scale * (self.state as f32 / u32::MAX as f32 - 0.5)
        };
        let bytes: Vec<u8> = (0..len).flat_map(|_| one().to_ne_bytes()).collect();
        Buffer::new(self.client.create_from_slice(&bytes), len)
    }
}

fn read(client: &Client, buffer: &Buffer) -> Vec<f32> {
    let bytes = client.read_one(buffer.clone().into_handle()).expect("the walk has ended");
    let numbers = bytes.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().expect("four")));
    numbers.take(buffer.len()).collect()
}

/// What is there besides the plain recurrence.
#[derive(Clone, Copy, Debug)]
enum Variant {
    Plain,
    Normalised,
    Projected,
    Zoneout,
}

/// All that comes of a walk and of the walk back, by name.
fn walk(kernel: &Kernel, variant: Variant, plan: Option<Plan>) -> Vec<(&'static str, Vec<f32>)> {
    let client = cubecl::Device::default().client();
    let mut numbers = Numbers { client: &client, state: 7 };
    let rows = kernel.gates() * HIDDEN;
    let output = if matches!(variant, Variant::Projected) { 6 } else { HIDDEN };
    let lengths: Vec<u8> = [9u32, 3, 0, 9, 1].iter().flat_map(|length| length.to_ne_bytes()).collect();
    let lengths = Some(Buffer::new(client.create_from_slice(&lengths), BATCH));
    let sequences = Sequences { time: TIME, batch: BATCH, hidden: HIDDEN, output, reverse: false, lengths };
    let (states, steps) = (sequences.state_len(kernel.states(), 1), sequences.state_len(kernel.states(), TIME));
    let operands = Operands {
        weights: kernel.is_recurrent().then(|| numbers.next(rows * output, 0.5)),
        bias: kernel.is_recurrent().then(|| numbers.next(rows, 1.0)),
        projection: matches!(variant, Variant::Projected).then(|| numbers.next(output * HIDDEN, 0.5)),
        gain: matches!(variant, Variant::Normalised).then(|| numbers.next(rows, 2.0)),
        state: numbers.next(states, 2.0),
        dropout: None,
        zoneout: matches!(variant, Variant::Zoneout).then_some(Zoneout::Rates([0.25, 0.125])),
    };
    let (input, gradient) = (numbers.next(TIME * BATCH * rows, 4.0), numbers.next(steps, 2.0));
    let walk = Walk { client: &client, plan, sequences: &sequences, operands: &operands };
    let walked = kernel.forward(walk, &input, true);
    let Gradients { input, recurrent, product, gain, state, projected, late } =
        kernel.backward(walk, &walked, &gradient);
    let Walked { states, .. } = walked;
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

fn check(kernel: &Kernel, variant: Variant) {
    let expected = walk(kernel, variant, None);
    for driver in [Driver::Step, Driver::Resident] {
        for (rows, units, split, staged) in [(1, 8, 1, 4), (2, 16, 4, 8), (4, 64, 2, 2)] {
            let plan = Plan { driver, tile: Tile { rows, units, split, staged } };
            for ((name, found), (_, expected)) in walk(kernel, variant, Some(plan)).iter().zip(&expected) {
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
}

#[test]
fn every_plan_gives_the_same_numbers() {
    check(&Kernel::lstm(), Variant::Plain);
    check(&Kernel::lstm(), Variant::Projected);
    check(&Kernel::gru(), Variant::Normalised);
    check(&Kernel::gru(), Variant::Zoneout);
    check(&Kernel::gru_reset_before(), Variant::Plain);
}

#[test]
fn every_plan_gives_the_same_numbers_with_a_late_product_that_is_normalised() {
    check(&Kernel::gru_reset_before(), Variant::Normalised);
}

#[test]
fn the_same_walk_gives_the_same_bits() {
    for kernel in [Kernel::lstm(), Kernel::min_gru()] {
        assert_eq!(walk(&kernel, Variant::Plain, None), walk(&kernel, Variant::Plain, None));
    }
}

#[test]
#[should_panic(expected = "GB in one buffer, and the device takes")]
fn a_walk_that_is_too_large_for_the_device_is_refused() {
    let client = cubecl::Device::default().client();
    let mut numbers = Numbers { client: &client, state: 1 };
    // the sizes alone are looked at first
    let sequences = Sequences { time: 1 << 20, batch: 1 << 12, hidden: 64, output: 64, reverse: false, lengths: None };
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
    let walk = Walk { client: &client, plan: None, sequences: &sequences, operands: &operands };
    Kernel::gru().forward(walk, &input, false);
}

#[test]
#[should_panic(expected = "bias: found 3 numbers, expected 12")]
fn a_buffer_of_another_length_is_named() {
    let client = cubecl::Device::default().client();
    let mut numbers = Numbers { client: &client, state: 1 };
    let sequences = Sequences { time: 1, batch: 1, hidden: 3, output: 3, reverse: false, lengths: None };
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
        Walk { client: &client, plan: None, sequences: &sequences, operands: &operands },
        &input,
        false,
    );
}
