//! Draws the book's figures into `docs/src/figures`: `cargo run --release --bin book-figures`.

use std::{fs, path::Path};

use elman::{
    activations::{Activation, Needs},
    burn::tensor::{Device, Distribution, Tensor},
    lm::train::Schedule,
    recurrence::{Cell, LstmConfig, Recurrent, RnnConfig},
};
use elman_report::{Chart, LineChart};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/figures"));
    fs::create_dir_all(folder)?;
    let figures = [("activations", activations()), ("schedules", schedules()), ("vanishing", vanishing()?)];
    for (name, chart) in figures {
        let path = folder.join(format!("{name}.svg"));
        fs::write(&path, chart.to_svg())?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Functions and slopes.
fn activations() -> LineChart {
    let x = || (-400..=400).map(|n| f64::from(n) / 100.0);
    let chart = LineChart::new("Activation functions, and the slopes (′) of two").with_axes("x", "f(x)");
    let functions = [Activation::Sigmoid, Activation::Tanh, Activation::Relu, Activation::Gelu];
    let chart = functions.into_iter().fold(chart, |chart, activation| {
        // the lines of unbounded functions would press the others flat
        let points = x().map(|x| (x, activation.f(x))).filter(|point| point.1 <= 1.5);
        chart.with_line(activation.to_string(), points)
    });
    [Activation::Sigmoid, Activation::Tanh].into_iter().fold(chart, |chart, activation| {
        let slope = |x: f64| activation.df(if activation.needs() == Needs::Output { activation.f(x) } else { x });
        chart.with_line(format!("{activation}′"), x().map(|x| (x, slope(x))))
    })
}

/// The learning rate over a run of 1000 steps.
fn schedules() -> LineChart {
    let chart = LineChart::new("Learning-rate schedules").with_axes("step", "share of the learning rate");
    let schedules = [Schedule::Constant, Schedule::Cosine { warmup: 0 }, Schedule::Cosine { warmup: 100 }];
    schedules.into_iter().fold(chart, |chart, schedule| {
        chart.with_line(
            schedule.to_string(),
            (0..1000).map(|step| (f64::from(step), schedule.factor(step as usize, 1000))),
        )
    })
}

const STEPS: usize = 100;
const UNITS: usize = 64;

/// The norm of the last state's gradient with respect to each input, as in the example `vanishing_gradient`.
fn vanishing() -> Result<LineChart, elman::DeviceError> {
    let device = elman::device("auto")?.autodiff();
    device.seed(3);
    let rnn = RnnConfig::new(UNITS, UNITS).init(&device);
    let lstm = LstmConfig::new(UNITS, UNITS).init(&device);
    let mut remembering = lstm.clone();
    let bias = &mut remembering.layers[0].directions[0].bias_ih;
    *bias = bias.take().map(|b| b.map(|b| b.slice_fill(UNITS..2 * UNITS, 3.0))); // gates i, f, g, o
    Ok(LineChart::new("How much of the gradient arrives")
        .with_axes("steps back", "norm of the gradient at the input")
        .with_logarithmic()
        .with_line("RNN", gradient_norms(&rnn, &device))
        .with_line("LSTM", gradient_norms(&lstm, &device))
        .with_line("LSTM, forget bias 3", gradient_norms(&remembering, &device)))
}

fn gradient_norms<C: Cell>(network: &Recurrent<C>, device: &Device) -> Vec<(f64, f64)> {
    let x = Tensor::<3>::random([1, STEPS, UNITS], Distribution::Normal(0.0, 1.0), device).require_grad();
    let (_, state) = network.forward(x.clone(), None);
    let gradients = state.hidden().sum().backward();
    let gradient = x.grad(&gradients).expect("the input has a gradient");
    let norms = gradient.square().sum_dim(2).sqrt().into_data();
    (0..STEPS).rev().zip(norms.iter::<f64>()).map(|(back, norm)| (back as f64, norm)).collect()
}
