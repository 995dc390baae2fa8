//! Layers that are computed again when they are walked back: the same gradients, less memory.

use std::alloc::System;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use cap::Cap;
use elman_recurrence::{CellKind, NetworkConfig, Sequence};
use elman_testkit::{assert_near_data, devices, gradients_of};

/// Counts the bytes that are held.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const D_INPUT: usize = 6;

fn input(size: [usize; 3], device: &Device) -> Tensor<3> {
    device.seed(2);
    Tensor::random(size, Distribution::Normal(0.0, 1.0), device)
}

/// Of a size of input and lengths, values and gradients with everything kept and computed again.
fn compare(size: [usize; 3], lengths: &[usize], check: impl Fn(&str, &TensorData, &TensorData)) {
    for device in devices() {
        let device = device.autodiff();
        for kind in CellKind::ALL.into_iter().filter(|kind| *kind != CellKind::Elman) {
            let plain = NetworkConfig::new(kind, D_INPUT, 9).with_layers(2).with_bidirectional(true);
            let noisy = plain.clone().with_layer_norm(true).with_recurrent_dropout(0.3).with_zoneout(0.2, 0.1);
            for config in [plain.clone(), plain.with_bias(false).with_dropout(0.5), noisy] {
                let run = |recompute: bool| {
                    device.seed(4);
                    let net = config.clone().with_recompute(recompute).init(&device);
                    let x = input(size, &device).require_grad();
                    let sequence = Sequence::new().with_lengths(lengths).with_all_states();
                    let out = net.forward_with(x.clone(), sequence);
                    let states = out.all_states.expect("asked for").remove(0).states;
                    let last = out.state.parts().iter().map(|part| part.clone().powi_scalar(2).sum());
                    let by_states: Tensor<1> = states
                        .into_iter()
                        .map(|state| state.powi_scalar(2).sum())
                        .chain(last)
                        .reduce(|a, b| a + b)
                        .unwrap();
                    let grads = (out.output.clone().sum() + by_states).backward();
                    let mut all = vec![out.output.into_data()];
                    all.extend(gradients_of(&net, &grads));
                    all.push(x.grad(&grads).expect("the input's gradient").into_data());
                    all
                };
                let (kept, again) = (run(false), run(true));
                assert!(kept.len() > 2 && kept.len() == again.len());
                for (n, (again, kept)) in again.iter().zip(&kept).enumerate() {
                    check(&format!("{config:?}: {n}"), again, kept);
                }
            }
        }
    }
}

/// A short sequence is one piece, and its gradients are the same bit for bit.
fn gradients_are_the_same() {
    compare([3, 7, D_INPUT], &[7, 2, 0], |label, again, kept| assert_eq!(again, kept, "{label}"));
}

/// A long one is many: sums over time are grouped by them.
fn gradients_in_pieces_are_as_good() {
    let lengths = [150, 64, 65, 0, 1, 128, 149, 90, 63];
    compare([9, 150, D_INPUT], &lengths, |label, again, kept| assert_near_data(label, again, kept, 1e-5));
}

/// The most bytes that were ever held, beyond those before, while a long sequence was trained on.
fn peak(recompute: bool, device: &Device) -> usize {
    let net = NetworkConfig::new(CellKind::Lstm, D_INPUT, 32).with_recompute(recompute).init(device);
    let x = input([2, 8000, D_INPUT], device);
    let before = ALLOCATOR.allocated();
    drop(net.forward(x, None).0.sum().backward());
    ALLOCATOR.max_allocated() - before
}

/// Of one layer too. The most is counted since the process began, so that this has to be the first thing that it does.
fn less_is_held_at_a_time() {
    let all = devices();
    let device = all.iter().find(|device| elman_layers::cpu::is_cpu(&device.device));
    let Some(device) = device.map(|device| device.autodiff()) else { return };
    let (again, kept) = (peak(true, &device), peak(false, &device));
    // about 0.55 of it, more where the graph of the first run is not freed yet when the second begins
    assert!(4 * again < 3 * kept, "{again} bytes and {kept}");
}

/// What a forward pass leaves behind for the walk back, in bytes.
fn kept(kind: CellKind, recompute: bool, [batch, time, hidden]: [usize; 3], device: &Device) -> usize {
    let net = NetworkConfig::new(kind, D_INPUT, hidden).with_recompute(recompute).init(device);
    let x = input([batch, time, D_INPUT], device);
    drop(net.forward(x.clone(), None)); // what is made once
    let before = ALLOCATOR.allocated();
    let out = net.forward(x, None);
    let held = ALLOCATOR.allocated() - before;
    drop(out);
    held
}

fn memory_is_that_of_the_states() {
    const SIZE: [usize; 3] = [4, 50, 64];
    let numbers = 4 * 50 * 64 * size_of::<f32>();
    // all else: the weights, the graph, what backends put aside
    let slack = numbers / 2;
    for device in devices().into_iter().filter(|device| elman_layers::cpu::is_cpu(&device.device)) {
        let device = device.autodiff();
        // states of all time steps, and what the cell saves besides
        for (kind, states, saved) in [
            (CellKind::Rnn, 1, 0),
            (CellKind::Gru, 1, 4),
            (CellKind::Lstm, 2, 4),
            (CellKind::MinGru, 1, 2),
            (CellKind::MinLstm, 1, 4),
        ] {
            // computed again, no more than the output need be there, which is a piece of the states or a copy of it
            for (recompute, least, most) in [(false, states + saved, states + saved + 1), (true, 1, states + 1)] {
                let found = kept(kind, recompute, SIZE, &device);
                let range = least * numbers..=most * numbers + slack;
                assert!(range.contains(&found), "{kind} {recompute}: {found} bytes, expected {range:?}");
            }
        }
    }
}

// one test, so that nothing else allocates meanwhile
#[test]
fn the_same_gradients_with_less_memory() {
    less_is_held_at_a_time();
    memory_is_that_of_the_states();
    gradients_are_the_same();
    gradients_in_pieces_are_as_good();
}
