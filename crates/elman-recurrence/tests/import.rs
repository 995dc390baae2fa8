//! Checkpoint formats of PyTorch programs, and file names.

use std::path::Path;

use burn::tensor::{TensorData, Tolerance};
use elman_recurrence::{Lstm, LstmConfig, StateDict};
use elman_testkit::{Torch, device};
use tempfile::{TempDir, tempdir};

const GOLDEN: &str = "tests/golden";

/// The weights of an LSTM with 2 inputs and 3 hidden units.
const SHAPES: [(&str, &[usize]); 4] =
    [("weight_ih_l0", &[12, 2]), ("weight_hh_l0", &[12, 3]), ("bias_ih_l0", &[12]), ("bias_hh_l0", &[12])];

fn tensor(shape: &[usize], begin: f32) -> Torch {
    Torch::Tensor(shape.to_vec(), (0..shape.iter().product::<usize>()).map(|n| begin + n as f32 / 64.0).collect())
}

/// The weights of an LSTM with names that begin with `prefix`. The values depend on `begin`.
fn weights(prefix: &str, begin: f32) -> Vec<(String, Torch)> {
    SHAPES
        .iter()
        .zip(0..)
        .map(|((name, shape), n)| (format!("{prefix}{name}"), tensor(shape, begin + n as f32)))
        .collect()
}

fn saved(file: &Torch) -> (TempDir, std::path::PathBuf) {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("checkpoint.ckpt");
    file.save(&path);
    (folder, path)
}

fn values(lstm: &Lstm) -> Vec<TensorData> {
    let weights = StateDict::from_module(lstm);
    SHAPES.iter().map(|(name, _)| weights.data(name).expect("data").expect("a weight")).collect()
}

/// The only recurrent network of the file.
fn found(file: &Torch) -> Lstm {
    let (_folder, path) = saved(file);
    let model = StateDict::open(path).expect("open").find_model().expect("a model");
    let weights = model.into_network().expect("one network");
    weights.load_into(LstmConfig::new(2, 3).init(&device())).expect("load")
}

fn error(file: &Torch) -> String {
    let (_folder, path) = saved(file);
    StateDict::open(path).and_then(StateDict::find_model).err().expect("must fail").to_string()
}

#[test]
fn file_names_of_all_lengths_are_read() {
    let folder = tempdir().expect("a folder");
    let file = Torch::dict(weights("", 0.0));
    for length in 1..=60 {
        let path = folder.path().join(format!("{}.pt", "w".repeat(length)));
        file.save(&path);
        let read = StateDict::open(&path).unwrap_or_else(|e| panic!("a stem of {length} bytes: {e}"));
        let lstm = read.load_into(LstmConfig::new(2, 3).init(&device())).expect("load");
        assert_eq!(values(&lstm)[1].try_to_vec::<f32>().expect("floats")[1], 1.0 + 1.0 / 64.0);
    }
}

#[test]
fn wrappers_of_a_model_are_removed() {
    let plain = values(&found(&Torch::dict(weights("", 0.0))));
    let optimizer =
        || Torch::dict([("state", Torch::dict([("0", Torch::dict([("exp_avg", tensor(&[12, 2], 9.0))]))]))]);
    let forms = [
        Torch::dict(weights("module.", 0.0)),
        Torch::dict(weights("module._orig_mod.model.rnn.", 0.0)),
        Torch::dict(weights("rnn._orig_mod.", 0.0)),
        Torch::dict(weights("rnns.0.module.", 0.0)),
        Torch::dict([("epoch", Torch::Int(3)), ("state_dict", Torch::dict(weights("model.lstm.", 0.0)))]),
        Torch::dict([("model", Torch::dict(weights("rnn.", 0.0))), ("optimizer", optimizer())]),
        Torch::dict([("net", Torch::dict([("module", Torch::dict(weights("", 0.0)))]))]),
        Torch::dict([
            ("optimizer_states", Torch::List(vec![optimizer()])),
            ("model_state_dict", Torch::dict(weights("", 0.0))),
        ]),
    ];
    for form in forms {
        assert_eq!(values(&found(&form)), plain, "{form:?}");
    }
}

#[test]
fn the_trained_weight_is_used_instead_of_the_masked_one() {
    let plain = values(&found(&Torch::dict(weights("", 0.0))));
    let mut dropped = weights("rnn.module.", 0.0);
    let masked = dropped[1].clone();
    dropped[1].0 = "rnn.weight_hh_l0_raw".into();
    assert_eq!(values(&found(&Torch::dict(dropped.clone()))), plain);
    dropped.push((masked.0, tensor(&[12, 3], -5.0)));
    assert_eq!(values(&found(&Torch::dict(dropped))), plain);
}

#[test]
fn layers_in_a_list_become_one_network() {
    let listed = [weights("rnns.0.", 0.0), weights("rnns.1.", 50.0)].concat();
    let model = {
        let (_folder, path) = saved(&Torch::dict(listed));
        StateDict::open(path).expect("open").find_model().expect("a model")
    };
    assert_eq!(model.networks, ["rnns"]);
    let names: Vec<&str> = model.weights.shapes().map(|(name, _)| name).collect();
    assert_eq!(names[..4], ["rnns.bias_hh_l0", "rnns.bias_hh_l1", "rnns.bias_ih_l0", "rnns.bias_ih_l1"]);
}

#[test]
fn weight_normalization_equals_pytorch() {
    let open = |name: &str| StateDict::open(Path::new(GOLDEN).join(name)).expect("open");
    let (computed, expected) = (
        open("weight_norm.pt").find_model().expect("a model").into_network().expect("one"),
        open("weight_norm.safetensors"),
    );
    let mut count = 0;
    for (name, shape) in expected.shapes() {
        let data = |file: &StateDict| file.data(name).expect("data").expect(name);
        assert_eq!(&data(&computed).shape()[..], shape, "{name}");
        data(&computed).assert_approx_eq::<f32>(&data(&expected), Tolerance::absolute(3e-7));
        count += 1;
    }
    assert_eq!((count, computed.shapes().count()), (8, 8));
}

#[test]
fn ambiguous_files_are_errors_with_names_of_the_file() {
    let two = Torch::dict([
        ("model", Torch::dict(weights("module.rnn.", 0.0))),
        ("ema", Torch::dict(weights("module.rnn.", 1.0))),
    ]);
    let message = error(&two);
    assert!(
        message.contains("more than one model: ema.module.rnn.weight_ih_l0, model.module.rnn.weight_ih_l0;"),
        "{message}"
    );
    let (_folder, path) = saved(&two);
    let chosen = StateDict::open(&path).expect("open").under("ema").find_model().expect("a model").weights;
    let bias = chosen.data("rnn.bias_ih_l0").expect("data").expect("a weight");
    assert_eq!(bias.try_to_vec::<f32>().expect("floats")[0], 3.0);

    let message = error(&Torch::dict([("linear.weight", tensor(&[2, 2], 0.0))]));
    assert!(message.contains("no recurrent layer") && message.contains("linear.weight"), "{message}");

    // two entries with the same path
    let message =
        error(&Torch::dict([("rnn", Torch::dict(weights("", 0.0))), ("rnn.weight_ih_l0", tensor(&[12, 2], 7.0))]));
    assert!(message.contains("two tensors named 'rnn.weight_ih_l0'"), "{message}");

    // a weight in a wrapper, and the same without it
    let both = [weights("module.rnn.", 0.0), vec![("rnn.bias_ih_l0".to_owned(), tensor(&[12], 7.0))]].concat();
    let (_folder, path) = saved(&Torch::dict(both));
    let lstm = LstmConfig::new(2, 3).init(&device());
    let weights = StateDict::open(path).expect("open").find_model().expect("a model").weights;
    let message = weights.under("rnn").load_into(lstm).expect_err("must fail").to_string();
    assert!(message.contains("could be 'bias_ih_l0': module.rnn.bias_ih_l0 [12], rnn.bias_ih_l0 [12];"), "{message}");
}

#[test]
fn shape_errors_use_names_of_the_file() {
    let mut file = weights("module.rnn.", 0.0);
    file[0].1 = tensor(&[12, 5], 0.0);
    let (_folder, path) = saved(&Torch::dict(file));
    let weights = StateDict::open(path).expect("open").find_model().expect("a model").weights.under("rnn");
    let message = weights.load_into(LstmConfig::new(2, 3).init(&device())).expect_err("must fail").to_string();
    assert!(message.contains("'module.rnn.weight_ih_l0' should be [12, 2] and is [12, 5]"), "{message}");
}

#[test]
fn vocabularies_of_a_file_are_found() {
    let text = |t: &str| Torch::Text(t.into());
    let mut file = weights("rnn.", 0.0);
    file.push(("itos".into(), Torch::List(vec![text("b"), text("a")])));
    file.push(("meta".into(), Torch::dict([("stoi", Torch::dict([("a", Torch::Int(1)), ("b", Torch::Int(0))]))])));
    let (_folder, path) = saved(&Torch::dict(file));
    let weights = StateDict::open(path).expect("open");
    let mut names: Vec<&str> = weights.vocabularies().iter().map(|v| v.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["itos", "meta.stoi"]);
    assert!(weights.vocabularies().iter().all(|v| v.tokens == ["b", "a"]));
}

#[test]
fn long_pickles_are_rejected_before_allocating() {
    let folder = tempdir().expect("a folder");
    for name in ["zip.pt", "plain.pt"] {
        let long = if name == "zip.pt" {
            Torch::Raw([&b"("[..], &vec![b'N'; 5 << 20], b"t"].concat()).bytes("zip")
        } else {
            [&b"\x80\x02("[..], &vec![b'N'; 5 << 20], b"t."].concat()
        };
        std::fs::write(folder.path().join(name), long).expect("write");
        let message = StateDict::open(folder.path().join(name)).err().expect("must fail").to_string();
        assert!(message.contains("its pickle has more than 4194304 instructions"), "{message}");
    }
}

#[test]
fn long_names_of_many_tensors_are_rejected_before_allocating() {
    // a list with 100,000 references to one tensor, whose key has 1 MB
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x01tQK\0))\x89NtRq\0";
    let list = [&b"]("[..], tensor, &b"h\0".repeat(100_000), b"e"].concat();
    let file = Torch::dict([("n".repeat(1 << 20), Torch::Raw(list))]);
    let (_folder, path) = saved(&file);
    let message = StateDict::open(path).err().expect("must fail").to_string();
    assert!(message.contains("its tensor names are too long"), "{message}");
}
