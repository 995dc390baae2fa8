//! The persistent driver: all cubes run over all time steps, with a grid barrier after each step. It needs a device
//! that runs all cubes of a launch concurrently.
//!
//! No GPU API reports whether a device does, so the kernel is first launched without a step in a trial, in which its
//! cubes only pass barriers; the result is cached. Later something else may keep the device from running all cubes
//! concurrently: another program, or another persistent scan on a different queue. Barriers time out, so the device
//! cannot hang, and the host does not wait: after the last launch of the scan, another launch fills the results with
//! NaN if a barrier timed out.

mod barrier;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use cubecl::{features::AtomicUsage, ir::Type, prelude::*};

pub(crate) use barrier::{GridBarrier, GridBarrierLaunch, grid_sync, sync_state};

use crate::{Buffer, Driver, Operands, Plan, ScanArgs, driver::is_software};

/// Number of barriers before the first step of a trial, which has one more at the end, so that a barrier that does not
/// wait is detected.
const TRIAL_BARRIERS: usize = 16;

/// Maximum spins of a cube per launch. A spin is about two reads of device memory, so this is a second or two.
const MAX_SPINS: u32 = 1 << 20;

/// Maximum spins in a trial.
const MAX_SPINS_IN_TRIAL: u32 = 1 << 17;

/// Maximum spins on a software driver: within the loop iterations that [`Plan::steps_per_launch`] leaves.
const MAX_SPINS_IN_SOFTWARE: u32 = 20_000;

/// Polls per spin on a software driver, to make up for the small number of spins.
const POLLS_PER_SPIN_IN_SOFTWARE: usize = 128;

/// Maximum steps per launch on a software driver, so that its spins suffice: cubes are threads that wait for a CPU.
const MAX_STEPS_IN_SOFTWARE: usize = 8;

/// What is known about a device.
struct DeviceState {
    launch_order: Buffer,
    /// Number of persistent scans.
    scans: usize,
    /// For each kernel and number of cubes, whether the trial passed.
    trials: HashMap<String, bool>,
}

static DEVICES: LazyLock<Mutex<HashMap<String, DeviceState>>> = LazyLock::new(Mutex::default);

/// A key of the device and its runtime, as text since its type has no public name.
fn device_key(client: &Client) -> String {
    format!("{:?}", client.service_id())
}

fn devices() -> MutexGuard<'static, HashMap<String, DeviceState>> {
    DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver {
    /// Number of scans, forward or backward, of this process that were [`Persistent`](Self::Persistent) on a device;
    /// scans for which another driver was used are not counted.
    pub fn persistent_scans(client: &Client) -> usize {
        devices().get(&device_key(client)).map_or(0, |device| device.scans)
    }
}

/// A scan for the persistent driver.
pub(crate) struct PersistentScan<'a> {
    pub scan: ScanArgs<'a>,
    pub plan: Plan,
    /// Number of cubes that share the same rows.
    pub column_cubes: usize,
    /// Identifies the cell, forward or backward, and the compile-time options.
    pub kernel: String,
}

impl PersistentScan<'_> {
    /// Maximum time steps of one launch.
    pub fn steps_per_launch(&self, gates: usize) -> usize {
        let max = if is_software(self.scan.client) { MAX_STEPS_IN_SOFTWARE } else { usize::MAX };
        self.plan.steps_per_launch(self.scan, gates, 1).min(max)
    }

    /// Launches all `chunks` of time in order, or nothing if the device does not support it. Returns the counters for
    /// [`poison_if_timed_out`].
    pub fn launch_all(
        &self,
        chunks: Vec<Range<usize>>,
        launch: impl Fn(CubeCount, GridBarrierLaunch, Range<usize>),
    ) -> Option<Buffer> {
        let ScanArgs { client, sequences, .. } = self.scan;
        if !has_device_scope(client) || client.is_capturing() {
            return None;
        }
        let rows = self.plan.row_tiles(sequences) as usize;
        let cubes = u32::try_from(self.column_cubes * rows).ok().filter(|cubes| *cubes <= 1 << 16)?;
        let mut devices = devices();
        let device = devices.entry(device_key(client)).or_insert_with(|| DeviceState {
            launch_order: Buffer::zeros(client, 1),
            scans: 0,
            trials: HashMap::new(),
        });
        let launch_order = device.launch_order.clone();
        let polls = if is_software(client) { POLLS_PER_SPIN_IN_SOFTWARE } else { 1 };
        let max_spins = |max: u32| if is_software(client) { MAX_SPINS_IN_SOFTWARE } else { max };
        let cube_count = || self.plan.phase_cubes(self.column_cubes, sequences);
        let has_passed = *device.trials.entry(self.cache_key(cubes)).or_insert_with(|| {
            let counters = Buffer::zeros(client, 2);
            let spins = max_spins(MAX_SPINS_IN_TRIAL);
            let barrier =
                GridBarrierLaunch::new(counters.arg(), launch_order.arg(), 1, 0, cubes, TRIAL_BARRIERS, spins, polls);
            launch(cube_count(), barrier, 0..0);
            let arrivals = (TRIAL_BARRIERS as u32 + 1) * cubes;
            let expected = [[0; 4], arrivals.to_ne_bytes()].concat();
            client.read_one(counters.into_handle()).is_ok_and(|counters| counters[..8] == expected)
        });
        if !has_passed {
            return None;
        }
        device.scans += 1;
        drop(devices);
        let counters = Buffer::zeros(client, 1 + chunks.len() * rows);
        for (n, chunk) in chunks.into_iter().enumerate() {
            let (first, cubes, spins) = (1 + n * rows, self.column_cubes as u32, max_spins(MAX_SPINS));
            let barrier = GridBarrierLaunch::new(counters.arg(), launch_order.arg(), first, 1, cubes, 0, spins, polls);
            launch(cube_count(), barrier, chunk);
        }
        Some(counters)
    }

    /// Everything that the compiled kernel depends on, and the number of cubes.
    fn cache_key(&self, cubes: u32) -> String {
        let Operands { bias, dropout, zoneout, .. } = self.scan.operands;
        let (lengths, masks) = (&self.scan.sequences.lengths, zoneout.is_some());
        let present = [bias, lengths, dropout].map(Option::is_some);
        format!("{} {:?} {present:?} {masks} {cubes}", self.kernel, self.plan.tile)
    }
}

/// Whether the device can make writes of one cube visible to others.
fn has_device_scope(client: &Client) -> bool {
    let atomics = client.properties().atomic_type_usage(Type::atomic(u32::elem_type_native()));
    client.properties().features.device_memory_scope && atomics.is_superset(AtomicUsage::Add | AtomicUsage::LoadStore)
}

/// Fills the buffers with NaN if, according to the `counters` of [`PersistentScan::launch_all`], a grid barrier timed
/// out.
pub(crate) fn poison_if_timed_out(client: &Client, counters: &Buffer, buffers: &[&Buffer]) {
    let dim = CubeDim::new_1d(256.min(client.properties().hardware.max_units_per_cube));
    for buffer in buffers {
        // several elements per thread, since in most cases a thread only reads the flag
        let cubes = buffer.len().div_ceil(64 * dim.x as usize).clamp(1, 1 << 12) as u32;
        // SAFETY: the kernel writes below the length of the buffer, and the counters contain the flag
        unsafe {
            barrier::poison_kernel::launch_unchecked(
                client,
                CubeCount::Static(cubes, 1, 1),
                dim,
                counters.arg(),
                buffer.word_arg(),
            );
        }
    }
}

#[cfg(all(test, feature = "wgpu"))]
mod tests;
