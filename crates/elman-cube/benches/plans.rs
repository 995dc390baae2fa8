//! Times forward and backward with many plans. The default plans are based on it.
//!
//! `cargo bench -p elman-cube --features wgpu --bench plans -- B,T,H …`
//!
//! There are some two hundred plans. `ONLY="Resident, tile: Tile { rows: 8;rows: 16"` times those whose `Debug` output
//! contains one of these strings, separated by semicolons.

use std::time::Instant;

use cubecl::{future, prelude::*};
use elman_cube::{Buffer, Direction, Driver, Kernel, Operands, Plan, ScanArgs, Sequences, Tile};

fn main() {
    let client = cubecl::Device::default().client();
    println!("{}: {:?}", client.name(), client.properties().hardware);
    let sizes = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let mut sizes: Vec<[usize; 3]> = sizes.map(|sizes| parse(&sizes)).collect();
    if sizes.is_empty() {
        sizes = vec![[32, 64, 256], [1, 64, 256]];
    }
    for size in sizes {
        for (name, kernel) in [("lstm", Kernel::lstm()), ("gru", Kernel::gru())] {
            let [batch, steps, hidden] = size;
            println!("{name} B{batch} T{steps} H{hidden}: forward and backward in ms");
            for plan in plans(&client, size) {
                let before = Driver::persistent_scans(&client);
                let [forward, backward] = time(&client, &kernel, size, plan);
                if plan.driver == Driver::Persistent && Driver::persistent_scans(&client) == before {
                    continue; // another driver was used
                }
                let Plan { driver, tile: Tile { rows, threads, split, staged } } = plan;
                println!(
                    "{forward:9.2} {backward:9.2}  {driver:?} rows {rows} threads {threads} split {split} \
                     staged {staged}"
                );
            }
        }
    }
}

fn parse(sizes: &str) -> [usize; 3] {
    let sizes: Vec<usize> = sizes.split(',').map(|size| size.parse().expect("an integer")).collect();
    sizes.try_into().expect("batch,time,hidden")
}

fn plans(client: &Client, [batch, _, hidden]: [usize; 3]) -> Vec<Plan> {
    let hardware = &client.properties().hardware;
    let mut plans = Vec::new();
    for driver in [Driver::Step, Driver::Resident, Driver::Persistent] {
        for rows in [1, 2, 4, 8, 16] {
            for threads in [8, 16, 32, 64, 128, 256] {
                for split in [1, 4, 8] {
                    for staged in [1, 2, 4, 8, 16] {
                        let tile = Tile { rows, threads, split, staged };
                        let fits = threads * split <= hardware.max_units_per_cube as usize
                            && rows * split <= 16
                            && rows < 2 * batch
                            && threads < 2 * hidden;
                        plans.extend(fits.then_some(Plan { driver, tile }));
                    }
                }
            }
        }
    }
    let only = std::env::var("ONLY").unwrap_or_default();
    let only: Vec<&str> = only.split(';').filter(|only| !only.is_empty()).collect();
    plans.retain(|plan| only.is_empty() || only.iter().any(|only| format!("{plan:?}").contains(only)));
    plans
}

/// The medians of three repeats.
fn time(client: &Client, kernel: &Kernel, [batch, time, hidden]: [usize; 3], plan: Plan) -> [f64; 2] {
    let random = |len: usize, scale: f32| {
        let mut state = 1u32;
        let bytes: Vec<u8> = (0..len)
            .flat_map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (scale * (state as f32 / u32::MAX as f32 - 0.5)).to_ne_bytes()
            })
            .collect();
        Buffer::new(client.create_from_slice(&bytes), len)
    };
    let (gates, states) = (kernel.gates(), kernel.states());
    let sequences = Sequences { time, batch, hidden, output: hidden, direction: Direction::Forward, lengths: None };
    let operands = Operands {
        weights: Some(random(gates * hidden * hidden, 1.0 / (hidden as f32).sqrt())),
        bias: Some(random(gates * hidden, 1.0)),
        projection: None,
        gain: None,
        state: random(sequences.state_len(states, 1), 1.0),
        dropout: None,
        zoneout: None,
    };
    let input = random(time * batch * gates * hidden, 1.0);
    let gradient = random(sequences.state_len(states, time), 1.0);
    let scan = ScanArgs { client, plan: Some(plan), sequences: &sequences, operands: &operands };
    let mut times = [Vec::new(), Vec::new()];
    for repeat in 0..4 {
        let begin = Instant::now();
        let outputs = kernel.forward(scan, &input, true);
        future::block_on(client.sync()).expect("the scan has ended");
        let middle = Instant::now();
        kernel.backward(scan, &outputs, &gradient);
        future::block_on(client.sync()).expect("the scan has ended");
        if repeat > 0 {
            times[0].push((middle - begin).as_secs_f64() * 1e3);
            times[1].push(middle.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    })
}
