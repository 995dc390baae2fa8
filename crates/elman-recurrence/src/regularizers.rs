use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use elman_layers::DropoutRate;

use crate::{cell::Cell, scan::Zoneout};

/// The random regularizers of a recurrent layer: recurrent dropout and zoneout.
#[derive(Module, Debug)]
pub(crate) struct Regularizers {
    dropout: DropoutRate,
    /// Of the hidden state and of the other states.
    zoneout: Vec<DropoutRate>,
    #[module(skip)]
    zoneout_rates: [f64; 2],
}

/// The masks of one batch in one layer and direction.
pub(crate) struct SampledMasks {
    /// `[B, P]`
    pub dropout: Option<Tensor<2>>,
    pub zoneout: Option<Zoneout>,
}

impl Regularizers {
    /// # Panics
    /// If a probability is not in [0, 1).
    pub fn new(dropout: f64, zoneout: [f64; 2]) -> Self {
        Self {
            dropout: DropoutRate::new("recurrent dropout", dropout),
            zoneout: zoneout.map(|rate| DropoutRate::new("zoneout", rate)).into(),
            zoneout_rates: zoneout,
        }
    }

    /// The rates of zoneout; `None` if both are 0.
    pub fn zoneout_rates(&self) -> Option<[f64; 2]> {
        self.zoneout_rates.iter().any(|rate| *rate > 0.0).then_some(self.zoneout_rates)
    }

    /// Masks in training; the rates of zoneout, which are the expected values of the masks, in inference. `parameters`
    /// is the device of the layer's parameters.
    pub fn sample<C: Cell>(&self, time: usize, state: &[Tensor<2>], parameters: &Device) -> SampledMasks {
        let dropout = self.dropout.mask(state[0].dims(), &state[0], Some(parameters)).filter(|_| C::RECURRENT);
        let has_zoneout = self.zoneout_rates.iter().take(state.len()).any(|rate| *rate > 0.0);
        let zoneout = || self.zoneout_masks(time, state, parameters).unwrap_or(Zoneout::Rates(self.zoneout_rates));
        SampledMasks { dropout, zoneout: has_zoneout.then(zoneout) }
    }

    /// Masks that are 1 where an element keeps its previous value; `None` in inference.
    fn zoneout_masks(&self, time: usize, state: &[Tensor<2>], parameters: &Device) -> Option<Zoneout> {
        let masks = state.iter().enumerate().map(|(n, state)| {
            let [batch, width] = state.dims();
            let (shape, n) = ([time, batch, width], n.min(1));
            let dropout = self.zoneout[n].mask(shape, state, Some(parameters));
            let mask = dropout.map(|dropout| dropout.zeros_like().mask_fill(dropout.equal_elem(0.0), 1.0));
            // a rate of 0 samples no mask
            (mask.is_some(), mask.unwrap_or_else(|| Tensor::zeros(shape, (&state.device(), state.dtype()))))
        });
        let (is_sampled, masks): (Vec<bool>, Vec<Tensor<3>>) = masks.unzip();
        is_sampled.contains(&true).then_some(Zoneout::Masks(masks))
    }
}
