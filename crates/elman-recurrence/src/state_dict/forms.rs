use std::collections::{BTreeMap, BTreeSet};

use super::{
    Entry, Tensors,
    names::{in_layer, is_recurrent, join, split, without_wrappers},
    weight_norm,
};

/// Converts weights of wrapped modules, of layers with weight normalization or weight dropout, and of layers in lists
/// to the names and values of plain layers.
pub(super) fn plain(tensors: Tensors) -> Tensors {
    let tensors = renamed(tensors, |name| Some(without_wrappers(name)));
    list_layers(undrop(denormalize(tensors)))
}

/// Renames tensors; `None` drops a tensor.
pub(super) fn renamed(tensors: Tensors, name: impl Fn(&str) -> Option<String>) -> Tensors {
    let mut result = Tensors::new();
    for (old, entries) in tensors {
        if let Some(name) = name(&old) {
            result.entry(name).or_default().extend(entries);
        }
    }
    result
}

/// Computes the weights of layers with weight normalization, by hooks (`weight_g`, `weight_v`) or by parametrization
/// (`parametrizations.weight.original0`, `original1`).
fn denormalize(mut tensors: Tensors) -> Tensors {
    let pairs: Vec<[String; 3]> = tensors.keys().filter_map(|name| pair(name)).collect();
    for [magnitude, direction, weight] in pairs {
        let (Some([g]), Some([v])) =
            (tensors.get(&magnitude).map(Vec::as_slice), tensors.get(&direction).map(Vec::as_slice))
        else {
            continue;
        };
        let Some(tensor) = weight_norm::weight(&g.tensor, &v.tensor) else { continue };
        let entry = Entry { in_file: v.in_file.clone(), tensor };
        tensors.remove(&magnitude);
        tensors.remove(&direction);
        tensors.insert(weight, vec![entry]);
    }
    tensors
}

/// The names of magnitude, direction and weight, if `magnitude` is the name of a magnitude.
fn pair(magnitude: &str) -> Option<[String; 3]> {
    if let Some(parametrized) = magnitude.strip_suffix(".original0") {
        let (path, weight) = split(parametrized);
        let module = path.strip_suffix("parametrizations").filter(|m| m.is_empty() || m.ends_with('.'))?;
        return Some([magnitude.into(), format!("{parametrized}.original1"), format!("{module}{weight}")]);
    }
    let weight = magnitude.strip_suffix("_g")?;
    Some([magnitude.into(), format!("{weight}_v"), weight.into()])
}

/// Replaces weights with dropout by the trained weight (`…_raw`). The plain name is that of the weight after the last
/// mask.
fn undrop(mut tensors: Tensors) -> Tensors {
    let names: Vec<String> = tensors.keys().filter(|name| name.ends_with("_raw")).cloned().collect();
    for name in names {
        let plain = &name[..name.len() - "_raw".len()];
        if is_recurrent(split(plain).1) {
            let entries = tensors.remove(&name).expect("a name of the map");
            tensors.insert(plain.into(), entries);
        }
    }
    tensors
}

/// Merges single-layer modules in a list (`rnns.0.weight_ih_l0`, `rnns.1.weight_ih_l0`) into one network.
fn list_layers(tensors: Tensors) -> Tensors {
    let mut lists: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut deep = BTreeSet::new();
    for name in tensors.keys() {
        let (module, weight) = split(name);
        let (list, Ok(layer)) = (split(module).0, split(module).1.parse::<usize>()) else { continue };
        if in_layer(weight, layer).is_some() {
            lists.entry(list.into()).or_default().insert(layer);
        } else if is_recurrent(weight) {
            deep.insert(list.to_owned());
        }
    }
    // a single layer in a list without a name is part of an nn.Sequential
    lists.retain(|list, layers| {
        layers.iter().copied().eq(0..layers.len()) && !deep.contains(list) && (layers.len() > 1 || !list.is_empty())
    });
    renamed(tensors, |name| {
        let (module, weight) = split(name);
        let (list, layer) = split(module);
        let listed = lists.contains_key(list).then(|| in_layer(weight, layer.parse().ok()?)).flatten();
        Some(listed.map_or_else(|| name.to_owned(), |weight| join(list, &weight)))
    })
}
