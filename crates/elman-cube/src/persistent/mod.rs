//! Cubes that run side by side through time and meet after each step, on devices where all cubes of a launch run at once.
//!
//! No interface of a graphics card says whether they do, so the kernel of a walk is launched without a step first, in which its
//! cubes do nothing but meet; what came of it is remembered. Later something else may keep the device from running all of them at
//! once, a second program as well as a second such walk on a queue of its own. Waiting has an end, so that the device does not
//! hang, and the host waits for nobody: what was walked then becomes not a number, all of it, in a launch after the last.

mod meeting;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use cubecl::{features::AtomicUsage, ir::Type, prelude::*};

pub(crate) use meeting::{Meeting, MeetingLaunch, meet, met};

use crate::{Buffer, Driver, Operands, Plan, ScanArgs, driver::is_software};

/// How often cubes meet in a trial, once more in the end: so that one that does not wait is found out.
const MEETINGS: usize = 16;

/// Turns of waiting that a cube has in a launch, each some two reads from the device's memory, so a second or two.
const PATIENCE: u32 = 1 << 20;

/// The same where nothing is done but meet.
const PATIENCE_WITHOUT_A_STEP: u32 = 1 << 17;

/// The same on a driver in software: beyond what [`Plan::steps`] leaves it of its turns of loops.
const PATIENCE_IN_SOFTWARE: u32 = 20_000;

/// How often a cube looks in one of them, since they are few.
const LOOKS_IN_SOFTWARE: usize = 128;

/// Most steps of a launch there, so that this is enough: cubes are threads that wait for a processor.
const STEPS_IN_SOFTWARE: usize = 8;

/// What is known of a device.
struct Device {
    turnstile: Buffer,
    /// Walks that were launched so.
    walks: usize,
    /// Of each kernel and number of cubes, whether all of them have met.
    have_met: HashMap<String, bool>,
}

static DEVICES: LazyLock<Mutex<HashMap<String, Device>>> = LazyLock::new(Mutex::default);

/// Of the device and what runs it, in words, since the type of it has no public name.
fn id(client: &Client) -> String {
    format!("{:?}", client.service_id())
}

fn devices() -> MutexGuard<'static, HashMap<String, Device>> {
    DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Driver {
    /// How many walks, forward or back, have been [`Persistent`](Self::Persistent) on a device, of all that this process asked
    /// for: the others went another way.
    pub fn persistent_scans(client: &Client) -> usize {
        devices().get(&id(client)).map_or(0, |device| device.walks)
    }
}

/// A walk that is to be launched so.
pub(crate) struct Launches<'a> {
    pub walk: ScanArgs<'a>,
    pub plan: Plan,
    /// Cubes side by side on the same rows.
    pub columns: usize,
    /// The cell, the direction and what there is besides.
    pub kernel: String,
}

impl Launches<'_> {
    /// How many time steps one launch goes through.
    pub fn steps(&self, gates: usize) -> usize {
        let most = if is_software(self.walk.client) { STEPS_IN_SOFTWARE } else { usize::MAX };
        self.plan.steps(self.walk, gates, 1).min(most)
    }

    /// Launches all `pieces` of time in their order, or nothing if the device cannot do it. Returns what [`spoil`] needs.
    pub fn go(
        &self,
        pieces: Vec<Range<usize>>,
        launch: impl Fn(CubeCount, MeetingLaunch, Range<usize>),
    ) -> Option<Buffer> {
        let ScanArgs { client, sequences, .. } = self.walk;
        if !has_device_scope(client) || client.is_capturing() {
            return None;
        }
        let rows = self.plan.row_tiles(sequences) as usize;
        let cubes = u32::try_from(self.columns * rows).ok().filter(|cubes| *cubes <= 1 << 16)?;
        let mut devices = devices();
        let device = devices.entry(id(client)).or_insert_with(|| Device {
            turnstile: Buffer::zeros(client, 1),
            walks: 0,
            have_met: HashMap::new(),
        });
        let turnstile = device.turnstile.clone();
        let looks = if is_software(client) { LOOKS_IN_SOFTWARE } else { 1 };
        let patience = |most: u32| if is_software(client) { PATIENCE_IN_SOFTWARE } else { most };
        let count = || self.plan.step(self.columns, sequences);
        let have_met = *device.have_met.entry(self.compiled(cubes)).or_insert_with(|| {
            let counts = Buffer::zeros(client, 2);
            let patience = patience(PATIENCE_WITHOUT_A_STEP);
            let meeting = MeetingLaunch::new(counts.arg(), turnstile.arg(), 1, 0, cubes, MEETINGS, patience, looks);
            launch(count(), meeting, 0..0);
            let arrived = (MEETINGS as u32 + 1) * cubes;
            let expected = [[0; 4], arrived.to_ne_bytes()].concat();
            client.read_one(counts.into_handle()).is_ok_and(|counts| counts[..8] == expected)
        });
        if !have_met {
            return None;
        }
        device.walks += 1;
        drop(devices);
        let counts = Buffer::zeros(client, 1 + pieces.len() * rows);
        for (n, piece) in pieces.into_iter().enumerate() {
            let (first, columns) = (1 + n * rows, self.columns as u32);
            let meeting =
                MeetingLaunch::new(counts.arg(), turnstile.arg(), first, 1, columns, 0, patience(PATIENCE), looks);
            launch(count(), meeting, piece);
        }
        Some(counts)
    }

    /// All that makes a kernel another one, and how many cubes of it there are.
    fn compiled(&self, cubes: u32) -> String {
        let Operands { bias, dropout, zoneout, .. } = self.walk.operands;
        let (lengths, masks) = (&self.walk.sequences.lengths, zoneout.is_some());
        let there = [bias, lengths, dropout].map(Option::is_some);
        format!("{} {:?} {there:?} {masks} {cubes}", self.kernel, self.plan.tile)
    }
}

/// Whether what one cube writes another can be made to see.
fn has_device_scope(client: &Client) -> bool {
    let counts = client.properties().atomic_type_usage(Type::atomic(u32::elem_type_native()));
    client.properties().features.device_memory_scope && counts.is_superset(AtomicUsage::Add | AtomicUsage::LoadStore)
}

/// Makes all numbers of the buffers not a number where, by the `counts` of [`Launches::go`], cubes have given up.
pub(crate) fn spoil(client: &Client, counts: &Buffer, buffers: &[&Buffer]) {
    let dim = CubeDim::new_1d(256.min(client.properties().hardware.max_units_per_cube));
    for buffer in buffers {
        // some numbers for each unit, which has but to look at one in most cases
        let cubes = buffer.len().div_ceil(64 * dim.x as usize).clamp(1, 1 << 12) as u32;
        // SAFETY: the kernel writes below the length of the buffer, and the counts have a first one
        unsafe {
            meeting::spoil::launch_unchecked(client, CubeCount::Static(cubes, 1, 1), dim, counts.arg(), buffer.words());
        }
    }
}

#[cfg(all(test, feature = "wgpu"))]
mod tests;
