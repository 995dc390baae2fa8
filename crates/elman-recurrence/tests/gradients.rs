//! Gradients with PyTorch's names and layouts.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{Distribution, Tensor, TensorData},
};
use elman_recurrence::{ElmanNetworkConfig, Gru, GruConfig, LstmConfig, StateDict, named_gradients};
use elman_testkit::devices;

type Named = BTreeMap<String, (TensorData, Option<TensorData>)>;

fn named(all: impl Iterator<Item = (String, TensorData, Option<TensorData>)>) -> Named {
    all.map(|(name, parameter, gradient)| (name, (parameter, gradient))).collect()
}

#[test]
fn every_parameter_of_an_lstm_has_its_gradient() {
    for device in devices() {
        let config = LstmConfig::new(3, 5).with_layers(2).with_bidirectional(true).with_projection(2);
        let lstm = config.init(&device.autodiff());
        let x = Tensor::<3>::random([2, 4, 3], Distribution::Normal(0.0, 1.0), &device.device);
        let gradients = lstm.forward(x, None).0.powi_scalar(2).sum().backward();
        let found = named(named_gradients(&lstm, &gradients));

        let names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"];
        assert_eq!(found.len(), names.len() * 4);
        for (l, layer) in lstm.layers.iter().enumerate() {
            for (weights, suffix) in layer.directions.iter().zip(["", "_reverse"]) {
                let matrices = [Some(&weights.weight_ih), weights.weight_hh.as_ref(), weights.weight_hr.as_ref()];
                for (name, parameter) in ["weight_ih", "weight_hh", "weight_hr"].iter().zip(matrices) {
                    let parameter = parameter.expect("the LSTM has all weights").val();
                    let expected = (parameter.clone().into_data(), parameter.grad(&gradients).map(Tensor::into_data));
                    assert!(expected.1.is_some());
                    assert_eq!(found[&format!("{name}_l{l}{suffix}")], expected, "{device}");
                }
                let bias = weights
                    .bias_hh
                    .as_ref()
                    .expect("the LSTM has biases")
                    .val()
                    .grad(&gradients)
                    .map(Tensor::into_data);
                assert_eq!(found[&format!("bias_hh_l{l}{suffix}")].1, bias, "{device}");
            }
        }
    }
}

#[test]
fn dense_layers_have_pytorch_layout() {
    for device in devices() {
        let net = ElmanNetworkConfig::new(3, 5, 2).init(&device.autodiff());
        let x = Tensor::<3>::random([2, 4, 3], Distribution::Normal(0.0, 1.0), &device.device);
        let gradients = net.forward(x, None).0.powi_scalar(2).sum().backward();
        let found = named(named_gradients(&net, &gradients));
        let (parameter, gradient) = &found["w1.weight"];
        assert_eq!(parameter.shape().to_vec(), [2, 5]);
        assert_eq!(Some(parameter), StateDict::from_module(&net).data("w1.weight").unwrap().as_ref());
        let expected = net.w1.weight.val().grad(&gradients).expect("a gradient").transpose().into_data();
        assert_eq!(gradient.as_ref(), Some(&expected), "{device}");
    }
}

#[test]
fn parameters_that_do_not_affect_the_loss_have_no_gradient() {
    #[derive(Module, Debug)]
    struct Two {
        used: Gru,
        unused: Gru,
    }
    for device in devices() {
        let [used, unused] = [(); 2].map(|()| GruConfig::new(3, 5).init(&device.autodiff()));
        let two = Two { used, unused };
        let x = Tensor::<3>::ones([2, 4, 3], &device.device);
        let gradients = two.used.forward(x, None).0.sum().backward();
        let found = named(named_gradients(&two, &gradients));
        assert_eq!(found.len(), 8);
        for (name, (parameter, gradient)) in &found {
            assert_eq!(gradient.is_some(), name.starts_with("used."), "{device}: {name}");
            assert!(gradient.as_ref().is_none_or(|gradient| gradient.shape() == parameter.shape()), "{name}");
        }
        assert!(named_gradients(&two.valid(), &gradients).all(|(_, _, gradient)| gradient.is_none()), "{device}");
    }
}
