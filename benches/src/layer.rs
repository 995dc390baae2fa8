use std::hint::black_box;

use elman::{
    burn::{
        module::Module,
        nn,
        optim::GradientsParams,
        tensor::{Device, Distribution, FloatDType, Tensor},
    },
    layers::cast,
    recurrence::{CellKind, NetworkConfig, Sequence, packed::WeightDtype},
};

use crate::{
    case::Case,
    timing::Work,
    variant::{self, Problem},
};

/// The pass of a layer that is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pass {
    /// Outputs without gradients.
    Forward,
    /// Outputs, their sum, and its gradient with respect to every parameter.
    Training,
}

/// Input of the layers that are timed together, on a device with autodiff if the pass needs it.
pub(crate) struct Input {
    pass: Pass,
    device: Device,
    /// `[batch, time, d_input]`
    x: Tensor<3>,
}

impl Input {
    pub fn random(case: Case, pass: Pass, device: &Device) -> Self {
        let device = match pass {
            Pass::Forward => device.clone(),
            Pass::Training => device.clone().autodiff(),
        };
        let x = Tensor::random([case.batch, case.time, case.d_input], Distribution::Normal(0.0, 1.0), &device);
        Self { pass, device, x }
    }
}

/// A closure that runs elman's layer.
pub(crate) fn elman(problem: &Problem, input: &Input) -> Work {
    let layer = cast(problem.layer.init(&input.device), problem.stored);
    let pack =
        |weight_dtype| layer.pack(weight_dtype).expect("every cell has packed kernels, and the weights are finite");
    match problem.work {
        variant::Work::Run => {
            let sequence =
                problem.lengths.iter().fold(Sequence::new(), |sequence, lengths| sequence.with_lengths(lengths));
            let input = Input { x: input.x.clone().cast(problem.stored), device: input.device.clone(), ..*input };
            work(&input, layer, move |net, x| net.forward_with(x, sequence.clone()).output)
        }
        variant::Work::Packed(weight_dtype) => {
            let mut session = pack(weight_dtype).session(problem.case.batch);
            let x: Vec<f32> = input.x.clone().swap_dims(0, 1).into_data().iter::<f32>().collect();
            Box::new(move || {
                session.reset();
                assert!(
                    session.forward(&x).iter().rev().take(1).all(|last| last.is_finite()),
                    "the output is NaN or infinite"
                );
            })
        }
        variant::Work::ReadWeights => {
            let weights = vec![1.0f32; pack(WeightDtype::F32).bytes() / size_of::<f32>()];
            let time = problem.case.time;
            Box::new(move || {
                (0..time).for_each(|_| assert!(black_box(sum(black_box(&weights))) > 0.0, "the sum is not positive"))
            })
        }
    }
}

/// Sums in 64 independent accumulators, to hide the latency of additions.
fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; 64];
    for chunk in values.chunks_exact(sums.len()) {
        sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum()
}

/// A closure that runs burn-nn's equivalent layer; `None` if it has none.
pub(crate) fn burn_nn(problem: &Problem, input: &Input) -> Option<Work> {
    let NetworkConfig { cell, d_input: i, d_hidden: h, bidirectional, .. } = problem.layer;
    let known = NetworkConfig::new(cell, i, h).with_bidirectional(bidirectional);
    let is_plain = problem.work == variant::Work::Run && problem.stored == FloatDType::F32;
    if problem.layer != known || problem.lengths.is_some() || !is_plain {
        return None;
    }
    let device = &input.device;
    let work = match (cell, bidirectional) {
        (CellKind::Rnn, false) => work(input, nn::RnnConfig::new(i, h, true).init(device), |l, x| l.forward(x, None).0),
        (CellKind::Rnn, true) => {
            work(input, nn::BiRnnConfig::new(i, h, true).init(device), |l, x| l.forward(x, None).0)
        }
        (CellKind::Gru, false) => work(input, nn::GruConfig::new(i, h, true).init(device), |l, x| l.forward(x, None)),
        (CellKind::Gru, true) => {
            work(input, nn::BiGruConfig::new(i, h, true).init(device), |l, x| l.forward(x, None).0)
        }
        (CellKind::Lstm, false) => {
            work(input, nn::LstmConfig::new(i, h, true).init(device), |l, x| l.forward(x, None).0)
        }
        (CellKind::Lstm, true) => {
            work(input, nn::BiLstmConfig::new(i, h, true).init(device), |l, x| l.forward(x, None).0)
        }
        (CellKind::Elman | CellKind::MinGru | CellKind::MinLstm, _) => return None,
    };
    Some(work)
}

/// `outputs` returns `[batch, time, d_output]`, from a zero initial state.
fn work<L: Module + 'static>(input: &Input, layer: L, outputs: impl Fn(&L, Tensor<3>) -> Tensor<3> + 'static) -> Work {
    let Input { pass, device, x } = input;
    let (pass, device, x) = (*pass, device.clone(), x.clone());
    Box::new(move || {
        let output = outputs(&layer, x.clone());
        match pass {
            Pass::Forward => {
                let [batch, time, d_output] = output.dims();
                read_back(output.slice([batch - 1..batch, time - 1..time, d_output - 1..d_output]));
            }
            Pass::Training => {
                let loss = output.cast(FloatDType::F32).sum();
                // gradients are fresh each time: no zero_grad is needed
                let _gradients = GradientsParams::from_grads(loss.backward(), &layer);
                read_back(loss);
            }
        }
        device.sync().expect("the device synchronizes");
    })
}

/// Reads one element back, which forces lazy backends to compute it.
pub(crate) fn read_back<const D: usize>(element: Tensor<D>) {
    assert!(element.into_scalar::<f32>().is_finite(), "a result is NaN or infinite");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::{VARIANTS, Variant};

    fn problem(variant: &Variant, cell: CellKind) -> Problem {
        variant.problem(cell, "2,3,4,5".parse().unwrap()).unwrap()
    }

    #[test]
    fn every_contestant_runs_on_every_device() {
        for device in elman::devices() {
            for pass in [Pass::Forward, Pass::Training] {
                let input = Input::random("2,3,4,5".parse().unwrap(), pass, &device.device);
                for (cell, variant) in CellKind::ALL.iter().flat_map(|cell| VARIANTS.iter().map(move |v| (*cell, v))) {
                    let case = "2,3,4,5".parse().unwrap();
                    let Some(problem) = variant.problem(cell, case) else { continue };
                    if !problem.fits(&device.device) {
                        continue;
                    }
                    elman(&problem, &input)();
                    if let Some(mut work) = burn_nn(&problem, &input) {
                        work();
                    }
                }
            }
        }
    }

    #[test]
    fn burn_nn_takes_part_only_in_equivalent_layers() {
        let device = elman::device("auto").unwrap();
        let input = Input::random("2,3,4,5".parse().unwrap(), Pass::Forward, &device);
        let takes_part = |variant: &str, cell| burn_nn(&problem(&variant.parse().unwrap(), cell), &input).is_some();
        for cell in [CellKind::Rnn, CellKind::Gru, CellKind::Lstm] {
            assert!(takes_part("plain", cell) && takes_part("bidirectional", cell) && !takes_part("ragged", cell));
        }
        assert!(!takes_part("plain", CellKind::MinGru));
        let mut other = problem(&Variant::PLAIN, CellKind::Lstm);
        other.layer.layers = 2;
        assert!(burn_nn(&other, &input).is_none());
    }

    #[test]
    fn equivalent_layers_have_equal_parameter_counts() {
        let device = elman::device("auto").unwrap();
        let ours = |cell| NetworkConfig::new(cell, 4, 5).init(&device).num_params();
        assert_eq!(ours(CellKind::Rnn), nn::RnnConfig::new(4, 5, true).init(&device).num_params());
        assert_eq!(ours(CellKind::Gru), nn::GruConfig::new(4, 5, true).init(&device).num_params());
        assert_eq!(ours(CellKind::Lstm), nn::LstmConfig::new(4, 5, true).init(&device).num_params());
        let ours = NetworkConfig::new(CellKind::Gru, 4, 5).with_bidirectional(true).init(&device).num_params();
        assert_eq!(ours, nn::BiGruConfig::new(4, 5, true).init(&device).num_params());
    }
}
