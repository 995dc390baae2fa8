use burn::tensor::{Device, Tensor, assert_shape};
use elman_layers::Dropout;

use crate::{
    cell::Cell,
    regularizers::Regularizers,
    scan::{Active, InputWeights, RecurrentWeights, ScanInput, check_lengths, layer, zero_ended},
    sequence::{LayerStates, Output, Sequence},
    state::State,
};

/// The weights of one layer in one direction, as tensors. Shapes as in [`Weights`](crate::Weights).
pub(crate) struct DirectionWeights {
    pub weight_ih: Tensor<2>,
    pub weight_hh: Option<Tensor<2>>,
    pub bias_ih: Option<Tensor<1>>,
    pub bias_hh: Option<Tensor<1>>,
    pub weight_hr: Option<Tensor<2>>,
    pub gain_ih: Option<Tensor<1>>,
    pub gain_hh: Option<Tensor<1>>,
}

/// Stacked layers, in one or two directions. All recurrent networks use it.
pub(crate) struct Stack<'a, C> {
    pub cell: &'a C,
    /// `[layer][direction]`
    pub layers: Vec<Vec<DirectionWeights>>,
    /// Dropout between layers.
    pub dropout: &'a Dropout,
    /// Recurrent dropout and zoneout.
    pub regularizers: Option<&'a Regularizers>,
    /// Whether training recomputes the layers in backward.
    pub recompute: bool,
}

impl<C: Cell> Stack<'_, C> {
    /// Runs all layers over `x`, `[batch, time, d_input]`.
    pub(crate) fn run(self, x: Tensor<3>, sequence: Sequence) -> Output {
        let [batch, time, _] = x.dims();
        let weights = &self.layers[0][0].weight_ih;
        let d_input = weights.dims()[1];
        assert_shape!(x, [batch, time, d_input]);
        let (dtype, expected) = (x.dtype(), weights.dtype());
        assert!(dtype == expected, "input: it is {dtype:?}, but the parameters are {expected:?}; cast one of them");
        assert!(batch > 0 && time > 0, "input: [batch, time] = [{batch}, {time}] must both be at least 1");
        let device = x.device();
        let active = sequence.lengths.and_then(|lengths| {
            check_lengths(&lengths, batch, time);
            Active::new(&lengths, time, &device)
        });
        let parameters = self.device_of_parameters();
        let initial = self.initial_state(sequence.state, batch, &x, &parameters);
        let num_states = if sequence.all_states { C::STATES } else { 1 };

        let mut x = x.swap_dims(0, 1);
        let mut last: Vec<Vec<Tensor<3>>> = vec![Vec::new(); C::STATES];
        let mut all = sequence.all_states.then(Vec::new);
        let directions = self.layers[0].len();
        let top = self.layers.len() - 1;
        for (l, layer_weights) in self.layers.into_iter().enumerate() {
            let scans = layer_weights.into_iter().enumerate().map(|(d, direction)| {
                let index = l * directions + d;
                let state: Vec<_> =
                    initial.parts().iter().map(|p| p.clone().narrow(0, index, 1).squeeze_dim(0)).collect();
                let masks = self.regularizers.map(|regularizers| regularizers.sample::<C>(time, &state, &parameters));
                let (dropout, zoneout) = masks.map_or((None, None), |masks| (masks.dropout, masks.zoneout));
                let (input_weights, recurrent) = direction.split(self.cell);
                let (input, reverse) = (x.clone(), d == 1);
                (
                    input_weights,
                    ScanInput { input, recurrent, state, active: active.clone(), reverse, dropout, zoneout },
                )
            });
            let mut by_direction: Vec<Vec<Tensor<3>>> = vec![Vec::new(); num_states];
            for out in layer(self.cell, scans.collect(), self.recompute, num_states) {
                for (directions, states) in by_direction.iter_mut().zip(out.states) {
                    directions.push(zero_ended(states, active.as_ref()));
                }
                for (last, state) in last.iter_mut().zip(out.last) {
                    last.push(state.unsqueeze_dim(0));
                }
            }
            let states: Vec<Tensor<3>> = by_direction.into_iter().map(|s| cat(s, 2)).collect();
            x = states[0].clone();
            if let Some(all) = &mut all {
                all.push(LayerStates { states: states.into_iter().map(|s| s.swap_dims(0, 1)).collect() });
            }
            if l < top {
                x = self.dropout.forward_in(x, &parameters);
            }
        }
        let state = State::new(last.into_iter().map(|parts| cat(parts, 0)).collect());
        Output { output: x.swap_dims(0, 1), state, all_states: all }
    }

    /// The device of the parameters: with autodiff if any parameter has it, because then the network is being trained.
    fn device_of_parameters(&self) -> Device {
        let all = || self.layers.iter().flatten().map(|direction| direction.weight_ih.device());
        all().find(Device::is_autodiff).or_else(|| all().next()).expect("at least one layer")
    }

    /// The given state, checked, or zeros on the device of the parameters.
    fn initial_state(&self, state: Option<State>, batch: usize, x: &Tensor<3>, parameters: &Device) -> State {
        let rows = self.layers.len() * self.layers[0].len();
        let (d_hidden, d_output) = self.layers[0][0].widths::<C>();
        let widths = std::iter::once(d_output).chain(std::iter::repeat_n(d_hidden, C::STATES - 1));
        match state {
            None => {
                let options = (parameters, x.dtype());
                State::new(widths.map(|w| Tensor::zeros([rows, batch, w], options)).collect())
            }
            Some(state) => {
                let expected: Vec<_> = widths.map(|w| [rows, batch, w]).collect();
                let found: Vec<_> = state.parts().iter().map(Tensor::dims).collect();
                assert_eq!(
                    found, expected,
                    "initial state: shapes [layers·directions, batch, width] (found, expected)"
                );
                for (n, part) in state.parts().iter().enumerate() {
                    let (dtype, of_input) = (part.dtype(), x.dtype());
                    assert!(
                        dtype == of_input,
                        "initial state: tensor {n} is {dtype:?}, but the input is {of_input:?}; cast one of them"
                    );
                }
                state
            }
        }
    }
}

impl DirectionWeights {
    /// Number of hidden units, and width of the output.
    pub(crate) fn widths<C: Cell>(&self) -> (usize, usize) {
        let d_hidden = self.weight_ih.dims()[0] / C::GATES;
        (d_hidden, self.weight_hr.as_ref().map_or(d_hidden, |w| w.dims()[0]))
    }

    /// The weights of the input projection and of the recurrent product.
    pub(crate) fn split<C: Cell>(self, cell: &C) -> (InputWeights, Option<RecurrentWeights>) {
        let (input_bias, recurrent_bias) = match (self.bias_ih, self.bias_hh) {
            (Some(i), Some(h)) if cell.biases_can_be_merged() => (Some(i + h), None),
            biases => biases,
        };
        let (bias, projection, gain) = (recurrent_bias, self.weight_hr, self.gain_hh);
        let recurrent = self.weight_hh.map(|hidden| RecurrentWeights { hidden, bias, projection, gain });
        (InputWeights { weights: self.weight_ih, bias: input_bias, gain: self.gain_ih }, recurrent)
    }
}

fn cat(mut parts: Vec<Tensor<3>>, dim: usize) -> Tensor<3> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, dim) }
}
