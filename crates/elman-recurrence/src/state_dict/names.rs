/// Names of modules that only wrap another module: DataParallel, `torch.compile`, FSDP, activation checkpointing, and
/// WeightDrop of the AWD-LSTM.
const WRAPPERS: [&str; 4] = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// `module._orig_mod.rnn.module.weight_hh_l0` → `rnn.weight_hh_l0`.
pub(super) fn without_wrappers(name: &str) -> String {
    let (module, weight) = split(name);
    let parts = module.split('.').filter(|part| !WRAPPERS.contains(part)).chain([weight]);
    parts.collect::<Vec<_>>().join(".").trim_start_matches('.').to_owned()
}

/// Splits a name into the path of the module, empty for the root, and the name of the weight.
pub(super) fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or(("", name))
}

/// Joins the path of a module and the name of a weight.
pub(super) fn join(module: &str, weight: &str) -> String {
    if module.is_empty() { weight.into() } else { format!("{module}.{weight}") }
}

/// `…layers.1.directions.1.weight_ih` → `…weight_ih_l1_reverse`; other paths are unchanged.
pub(crate) fn torch_name(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    match parts.as_slice() {
        [module @ .., "layers", layer, "directions", direction, weight] => {
            let suffix = if *direction == "0" { "" } else { "_reverse" };
            join(&module.join("."), &format!("{weight}_l{layer}{suffix}"))
        }
        _ => path.into(),
    }
}

/// Whether this is the name of a weight of a recurrent layer: `weight_hh_l3_reverse`.
pub(super) fn is_recurrent(weight: &str) -> bool {
    parts(weight).is_some()
}

/// `weight_hh_l0_reverse` in layer 2 of a list → `weight_hh_l2_reverse`; `None` if it is not the name of a weight of
/// layer 0.
pub(super) fn in_layer(weight: &str, layer: usize) -> Option<String> {
    let (kind, l, suffix) = parts(weight)?;
    (l == 0).then(|| format!("{kind}_l{layer}{suffix}"))
}

/// The parts of a recurrent weight's name: kind of weight or bias, layer, and suffix of the direction.
fn parts(weight: &str) -> Option<(&str, usize, &str)> {
    let (rest, suffix) = weight.strip_suffix("_reverse").map_or((weight, ""), |rest| (rest, "_reverse"));
    let (kind, layer) = rest.rsplit_once("_l")?;
    let known = ["weight_ih", "weight_hh", "weight_hr", "bias_ih", "bias_hh"].contains(&kind);
    known.then_some((kind, layer.parse().ok()?, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_pytorch_names() {
        for (path, name) in [
            ("layers.0.directions.0.weight_ih", "weight_ih_l0"),
            ("rnn.layers.1.directions.1.weight_hr", "rnn.weight_hr_l1_reverse"),
            ("model.rnn.layers.10.directions.0.bias_hh", "model.rnn.bias_hh_l10"),
            ("output.weight", "output.weight"),
        ] {
            assert_eq!(torch_name(path), name);
        }
    }

    #[test]
    fn wrappers_are_removed_at_any_position() {
        for (name, short) in [
            ("module._orig_mod.model.rnn.weight_ih_l0", "model.rnn.weight_ih_l0"),
            ("rnn.module.weight_hh_l0_raw", "rnn.weight_hh_l0_raw"),
            ("module.weight_ih_l0", "weight_ih_l0"),
            ("submodule.weight", "submodule.weight"),
            ("module", "module"),
        ] {
            assert_eq!(without_wrappers(name), short);
        }
    }

    #[test]
    fn layers_in_a_list_are_numbered() {
        assert_eq!(in_layer("weight_hh_l0_reverse", 2).as_deref(), Some("weight_hh_l2_reverse"));
        assert_eq!(in_layer("bias_ih_l0", 1).as_deref(), Some("bias_ih_l1"));
        assert_eq!(in_layer("weight_hh_l1", 1), None);
        assert_eq!(in_layer("weight", 1), None);
    }
}
