//! Layers that are recomputed in the backward pass have the same gradients and use less memory.

use std::alloc::System;

use burn::tensor::{Device, Distribution, Tensor, TensorData};
use cap::Cap;
use elman_recurrence::{CellKind, NetworkConfig, Sequence};
use elman_testkit::{assert_near_data, devices, gradients_of};

/// Counts allocated bytes.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const D_INPUT: usize = 6;

fn input(size: [usize; 3], device: &Device) -> Tensor<3> {
    device.seed(2);
    Tensor::random(size, Distribution::Normal(0.0, 1.0), device)
}

/// Compares values and gradients with and without recomputation.
fn compare(size: [usize; 3], lengths: &[usize], check: impl Fn(&str, &TensorData, &TensorData)) {
    for device in devices() {
        let device = device.autodiff();
        for kind in CellKind::ALL.into_iter().filter(|kind| *kind != CellKind::Elman) {
            let plain = NetworkConfig::new(kind, D_INPUT, 9).with_layers(2).with_bidirectional(true);
            let regularized = plain.clone().with_layer_norm(true).with_recurrent_dropout(0.3).with_zoneout(0.2, 0.1);
            for config in [plain.clone(), plain.with_bias(false).with_dropout(0.5), regularized] {
                let run = |recompute: bool| {
                    device.seed(4);
                    let net = config.clone().with_recompute(recompute).init(&device);
                    let x = input(size, &device).require_grad();
                    let sequence = Sequence::new().with_lengths(lengths).with_all_states();
                    let out = net.forward_with(x.clone(), sequence);
                    let states = out.all_states.expect("requested").remove(0).states;
                    let last = out.state.parts().iter().map(|part| part.clone().powi_scalar(2).sum());
                    let loss: Tensor<1> = states
                        .into_iter()
                        .map(|state| state.powi_scalar(2).sum())
                        .chain(last)
                        .reduce(|a, b| a + b)
                        .unwrap();
                    let grads = (out.output.clone().sum() + loss).backward();
                    let mut all = vec![out.output.into_data()];
                    all.extend(gradients_of(&net, &grads));
                    all.push(x.grad(&grads).expect("the input's gradient").into_data());
                    all
                };
                let (saved, recomputed) = (run(false), run(true));
                assert!(saved.len() > 2 && saved.len() == recomputed.len());
                for (n, (recomputed, saved)) in recomputed.iter().zip(&saved).enumerate() {
                    check(&format!("{config:?}: {n}"), recomputed, saved);
                }
            }
        }
    }
}

/// A short sequence is one chunk; its gradients are bit-identical.
fn gradients_of_one_chunk_are_identical() {
    compare([3, 7, D_INPUT], &[7, 2, 0], |label, recomputed, saved| assert_eq!(recomputed, saved, "{label}"));
}

/// A long sequence has several chunks, over which the sums over time are grouped.
fn gradients_of_several_chunks_are_close() {
    let lengths = [150, 64, 65, 0, 1, 128, 149, 90, 63];
    compare([9, 150, D_INPUT], &lengths, |label, recomputed, saved| assert_near_data(label, recomputed, saved, 1e-5));
}

/// Peak memory in bytes, beyond the allocations before, of forward and backward of a long sequence.
fn peak(recompute: bool, device: &Device) -> usize {
    let net = NetworkConfig::new(CellKind::Lstm, D_INPUT, 32).with_recompute(recompute).init(device);
    let x = input([2, 8000, D_INPUT], device);
    let before = ALLOCATOR.allocated();
    drop(net.forward(x, None).0.sum().backward());
    ALLOCATOR.max_allocated() - before
}

/// Peak memory of a single layer. The peak is counted from the start of the process, so this check must run first.
fn peak_memory_is_lower() {
    let all = devices();
    let device = all.iter().find(|device| elman_layers::cpu::is_cpu(&device.device));
    let Some(device) = device.map(|device| device.autodiff()) else { return };
    let (recomputed, saved) = (peak(true, &device), peak(false, &device));
    // usually 0.55; more if the graph of the first run is not freed before the second
    assert!(4 * recomputed < 3 * saved, "{recomputed} bytes with recomputation, {saved} without");
}

/// Size in bytes of the output and the values that forward saves for backward.
fn saved_bytes(kind: CellKind, recompute: bool, [batch, time, hidden]: [usize; 3], device: &Device) -> usize {
    let net = NetworkConfig::new(kind, D_INPUT, hidden).with_recompute(recompute).init(device);
    let x = input([batch, time, D_INPUT], device);
    drop(net.forward(x.clone(), None)); // initializes the weights
    let before = ALLOCATOR.allocated();
    let out = net.forward(x, None);
    let held = ALLOCATOR.allocated() - before;
    drop(out);
    held
}

fn saved_memory_is_that_of_the_states() {
    const SIZE: [usize; 3] = [4, 50, 64];
    let state_bytes = 4 * 50 * 64 * size_of::<f32>();
    // weights, graph, and buffers of the backend
    let slack = state_bytes / 2;
    for device in devices().into_iter().filter(|device| elman_layers::cpu::is_cpu(&device.device)) {
        let device = device.autodiff();
        // states, and saved values of the cell, for all time steps
        for (kind, states, saved) in [
            (CellKind::Rnn, 1, 0),
            (CellKind::Gru, 1, 4),
            (CellKind::Lstm, 2, 4),
            (CellKind::MinGru, 1, 2),
            (CellKind::MinLstm, 1, 4),
        ] {
            // with recomputation, only the output is needed, which is a slice of the states or a copy of it
            for (recompute, min, max) in [(false, states + saved, states + saved + 1), (true, 1, states + 1)] {
                let found = saved_bytes(kind, recompute, SIZE, &device);
                let range = min * state_bytes..=max * state_bytes + slack;
                assert!(range.contains(&found), "{kind} {recompute}: {found} bytes, expected {range:?}");
            }
        }
    }
}

// a single test, so that no other test allocates at the same time
#[test]
fn recomputation_has_the_same_gradients_and_less_memory() {
    peak_memory_is_lower();
    saved_memory_is_that_of_the_states();
    gradients_of_one_chunk_are_identical();
    gradients_of_several_chunks_are_close();
}
