use elman::{
    burn::{
        module::Module,
        nn,
        optim::GradientsParams,
        tensor::{Device, Distribution, Tensor},
    },
    recurrence::{CellKind, Network, NetworkConfig},
};

use crate::{case::Case, timing::Work};

/// A recurrent layer of one library or another.
trait Layer: Module + 'static {
    /// `[batch, time, d_input]` → `[batch, time, d_hidden]`, from a state of zeros.
    fn outputs(&self, x: Tensor<3>) -> Tensor<3>;
}

impl Layer for Network {
    fn outputs(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward(x, None).0
    }
}

impl Layer for nn::Rnn {
    fn outputs(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward(x, None).0
    }
}

impl Layer for nn::Gru {
    fn outputs(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward(x, None)
    }
}

impl Layer for nn::Lstm {
    fn outputs(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward(x, None).0
    }
}

/// What is timed of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pass {
    /// Outputs without gradients.
    Forward,
    /// Outputs, their sum, and its gradient by every parameter.
    Training,
}

/// elman's layer at work.
pub(crate) fn elman(cell: CellKind, case: Case, pass: Pass, device: &Device) -> Work {
    let Case { d_input, d_hidden, .. } = case;
    work(case, pass, device, |device| NetworkConfig::new(cell, d_input, d_hidden).init(device))
}

/// burn-nn's layer of the same kind at work; `None` where it has none.
pub(crate) fn burn_nn(cell: CellKind, case: Case, pass: Pass, device: &Device) -> Option<Work> {
    let Case { d_input, d_hidden, .. } = case;
    match cell {
        CellKind::Rnn => Some(work(case, pass, device, |d| nn::RnnConfig::new(d_input, d_hidden, true).init(d))),
        CellKind::Gru => Some(work(case, pass, device, |d| nn::GruConfig::new(d_input, d_hidden, true).init(d))),
        CellKind::Lstm => Some(work(case, pass, device, |d| nn::LstmConfig::new(d_input, d_hidden, true).init(d))),
        CellKind::Simple | CellKind::MinGru | CellKind::MinLstm => None,
    }
}

fn work<L: Layer>(case: Case, pass: Pass, device: &Device, init: impl FnOnce(&Device) -> L) -> Work {
    let device = match pass {
        Pass::Forward => device.clone(),
        Pass::Training => device.clone().autodiff(),
    };
    let layer = init(&device);
    let x = Tensor::random([case.batch, case.time, case.d_input], Distribution::Normal(0.0, 1.0), &device);
    let [batch, time, width] = [case.batch, case.time, case.d_hidden];
    Box::new(move || {
        let output = layer.outputs(x.clone());
        match pass {
            Pass::Forward => {
                read_back(output.slice([batch - 1..batch, time - 1..time, width - 1..width]));
                device.sync().expect("the device has finished its work");
            }
            Pass::Training => {
                let loss = output.sum();
                // new ones each time, so there are none to set to zero
                let _gradients = GradientsParams::from_grads(loss.backward(), &layer);
                read_back(loss);
                device.sync().expect("the device has finished its work");
            }
        }
    })
}

/// Waits for the one element, so that a device that computes only what is asked for has computed it.
fn read_back<const D: usize>(element: Tensor<D>) {
    assert!(element.into_scalar::<f32>().is_finite(), "a layer's output is not a number");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_runs_on_every_device() {
        let case: Case = "2,3,4,5".parse().unwrap();
        for device in elman::devices() {
            for cell in CellKind::ALL {
                for pass in [Pass::Forward, Pass::Training] {
                    elman(cell, case, pass, &device.device)();
                    if let Some(mut work) = burn_nn(cell, case, pass, &device.device) {
                        work();
                    }
                }
            }
        }
    }

    #[test]
    fn both_libraries_have_as_many_parameters_where_they_compute_the_same() {
        let device = elman::device("auto").unwrap();
        let ours = |cell| NetworkConfig::new(cell, 4, 5).init(&device).num_params();
        assert_eq!(ours(CellKind::Rnn), nn::RnnConfig::new(4, 5, true).init(&device).num_params());
        assert_eq!(ours(CellKind::Gru), nn::GruConfig::new(4, 5, true).init(&device).num_params());
        assert_eq!(ours(CellKind::Lstm), nn::LstmConfig::new(4, 5, true).init(&device).num_params());
    }
}
