//! Invalid arguments panic with elman's messages, before anything is computed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn::tensor::{DType, Device, Distribution, FloatDType, Tensor};
use elman_layers::{cast, cpu::is_cpu};
use elman_recurrence::{
    CellKind, GruConfig, LstmConfig, MinGruConfig, NetworkConfig, RnnConfig, Sequence, State, packed::WeightDtype,
};
use elman_testkit::{Tolerance, assert_close, devices, gradients_of};

/// The message of a panic.
fn message<R>(f: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).err().expect("a panic");
    panic.downcast_ref::<String>().expect("a message").clone()
}

fn input(device: &Device) -> Tensor<3> {
    Tensor::random([3, 6, 4], Distribution::Normal(0.0, 1.0), device)
}

#[test]
fn projections_that_pytorch_rejects_are_rejected() {
    for device in devices() {
        let device = &device.device;
        // as torch.nn.LSTM: "proj_size has to be smaller than hidden_size"
        for width in [5, 6, 100] {
            let found = message(|| LstmConfig::new(4, 5).with_projection(width).init(device));
            assert_eq!(found, format!("projection: the width {width} must be less than d_hidden = 5"));
        }
        let gru = GruConfig { projection: Some(3), ..GruConfig::new(4, 5) };
        let expected = "projection: GruCell { reset: After } does not support a projection, only LSTM and RNN do";
        assert_eq!(message(|| gru.init(device)), expected);
        let min = MinGruConfig { projection: Some(3), ..MinGruConfig::new(4, 5) };
        assert!(message(|| min.init(device)).contains("MinGruCell does not support a projection"));

        let lstm = LstmConfig::new(4, 5).with_projection(4).init(device);
        assert_eq!(lstm.forward(input(device), None).0.dims(), [3, 6, 4]);
        let rnn = RnnConfig { projection: Some(2), ..RnnConfig::new(4, 5) }.with_layers(2).init(device);
        assert_eq!(rnn.forward(input(device), None).0.dims(), [3, 6, 2]);
    }
}

#[test]
fn errors_name_mismatched_dtypes() {
    for device in devices().into_iter().filter(|device| is_cpu(&device.device)) {
        // ndarray has no f16
        let others = [(FloatDType::F64, "F64"), (FloatDType::F16, "F16")];
        let others = if device.name == "ndarray" { &others[..1] } else { &others[..] };
        let device = &device.device;
        for kind in CellKind::ALL {
            let net = NetworkConfig::new(kind, 4, 5).init(device);
            for &(dtype, name) in others {
                let found = message(|| net.forward(input(device).cast(dtype), None));
                assert_eq!(found, format!("input: it is {name}, but the parameters are F32; cast one of them"));
                let parts = if kind == CellKind::Lstm { 2 } else { 1 };
                let state = State::new(vec![Tensor::<3>::zeros([1, 3, 5], device).cast(dtype); parts]);
                let found = message(|| net.forward(input(device), Some(state)));
                let expected = format!("initial state: tensor 0 is {name}, but the input is F32; cast one of them");
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn f64_networks_accept_f64_inputs() {
    for device in devices().into_iter().filter(|device| is_cpu(&device.device)) {
        let device = device.autodiff();
        for kind in CellKind::ALL {
            let plain = NetworkConfig::new(kind, 4, 5).with_layers(2).with_bidirectional(true);
            let regularized = match kind {
                CellKind::Elman => plain.clone().with_dropout(0.3),
                _ => plain.clone().with_dropout(0.3).with_recurrent_dropout(0.3).with_zoneout(0.2, 0.1),
            };
            let (net, x) = (plain.init(&device), input(&device));
            let run = |x: Tensor<3>, dtype| {
                let net = cast(net.clone(), dtype);
                let out = net.forward_with(x.cast(dtype), Sequence::new().with_lengths(&[6, 2, 0]));
                assert_eq!(out.output.dtype(), DType::from(dtype));
                out.output
            };
            let (wide, narrow) = (run(x.clone(), FloatDType::F64), run(x.clone(), FloatDType::F32));
            let tolerance = Tolerance { relative: 1e-4, absolute: 1e-6 };
            assert_close(&format!("{kind}"), &narrow, &wide.cast(FloatDType::F32), tolerance);

            let net = cast(regularized.init(&device), FloatDType::F64);
            let gradients = net.forward(x.cast(FloatDType::F64), None).0.sum().backward();
            let gradients = gradients_of(&net, &gradients);
            assert!(!gradients.is_empty() && gradients.iter().all(|gradient| gradient.dtype() == DType::F64), "{kind}");
        }
    }
}

#[test]
fn errors_of_lengths_name_the_row() {
    for device in devices() {
        let net = GruConfig::new(4, 5).init(&device.device);
        let x = input(&device.device);
        let values: Vec<f32> = x.clone().swap_dims(0, 1).into_data().iter::<f32>().collect();
        let mut session = net.pack(WeightDtype::F32).expect("kernels").session(3);
        let mut both = |lengths: &[usize]| {
            let found = message(|| session.forward_ragged(&values, lengths).to_vec());
            let expected = message(|| net.forward_with(x.clone(), Sequence::new().with_lengths(lengths)));
            assert_eq!(found, expected);
            found
        };
        let expected = "lengths: row 1 has length 7, but the input's time axis has 6 steps";
        assert_eq!(both(&[6, 7, 9]), expected);
        assert_eq!(both(&[6, 6]), "lengths: found 2 for a batch of 3 rows; expected one per row");
    }
}
