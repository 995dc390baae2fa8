use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use elman_layers::DropoutRate;

use crate::{cell::Cell, scan::Zoneout};

/// What is drawn at random in a recurrent layer: recurrent dropout and zoneout.
#[derive(Module, Debug)]
pub(crate) struct Noise {
    dropout: DropoutRate,
    /// Of the hidden state, and of others.
    zoneout: Vec<DropoutRate>,
    #[module(skip)]
    rates: [f64; 2],
}

/// One draw, for one sequence in one layer and direction.
pub(crate) struct Drawn {
    /// `[B, P]`
    pub dropout: Option<Tensor<2>>,
    pub zoneout: Option<Zoneout>,
}

impl Noise {
    /// # Panics
    /// If a probability is not in [0, 1).
    pub fn new(dropout: f64, zoneout: [f64; 2]) -> Self {
        Self {
            dropout: DropoutRate::new("recurrent dropout", dropout),
            zoneout: zoneout.map(|rate| DropoutRate::new("zoneout", rate)).into(),
            rates: zoneout,
        }
    }

    /// The rates of zoneout, if there are any.
    pub fn rates(&self) -> Option<[f64; 2]> {
        self.rates.iter().any(|rate| *rate > 0.0).then_some(self.rates)
    }

    /// Masks in training; else the rates of zoneout, whose expectation they are. `parameters` is the device of the layer's.
    pub fn draw<C: Cell>(&self, time: usize, state: &[Tensor<2>], parameters: &Device) -> Drawn {
        let dropout = self.dropout.mask(state[0].dims(), &state[0], Some(parameters)).filter(|_| C::RECURRENT);
        let is_zoned = self.rates.iter().take(state.len()).any(|rate| *rate > 0.0);
        let zoneout = || self.masks(time, state, parameters).unwrap_or(Zoneout::Rates(self.rates));
        Drawn { dropout, zoneout: is_zoned.then(zoneout) }
    }

    /// 1 where an element stays as it was; `None` outside training.
    fn masks(&self, time: usize, state: &[Tensor<2>], parameters: &Device) -> Option<Zoneout> {
        let drawn = state.iter().enumerate().map(|(n, state)| {
            let [batch, width] = state.dims();
            let (shape, n) = ([time, batch, width], n.min(1));
            let kept = self.zoneout[n].mask(shape, state, Some(parameters));
            let mask = kept.map(|kept| kept.zeros_like().mask_fill(kept.equal_elem(0.0), 1.0));
            // a rate of 0 draws no mask
            (mask.is_some(), mask.unwrap_or_else(|| Tensor::zeros(shape, (&state.device(), state.dtype()))))
        });
        let (is_drawn, masks): (Vec<bool>, Vec<Tensor<3>>) = drawn.unzip();
        is_drawn.contains(&true).then_some(Zoneout::Masks(masks))
    }
}
