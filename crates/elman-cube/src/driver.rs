use std::{fmt, str::FromStr, sync::OnceLock};

use cubecl::prelude::*;

use crate::{ScanArgs, Sequences, Tile};

/// Minimum subgroup size of a hardware GPU. Software drivers report the number of elements of the CPU's vector
/// registers.
const MIN_GPU_SUBGROUP: u32 = 16;

/// Maximum hidden units of [`Driver::Resident`] on a GPU: every cube reads all weights once per step, which is cheap
/// while they fit in the caches.
const MAX_RESIDENT_HIDDEN: usize = 256;

/// Maximum hidden units of a scan in one launch on a software driver, which limits the loop iterations of a thread: see
/// [`Plan::steps_per_launch`].
const MAX_RESIDENT_HIDDEN_IN_SOFTWARE: usize = 2048;

/// Columns per thread of a product with one column per hidden unit, so that each value that is read is used more than
/// once.
pub(crate) const COLUMNS_PER_THREAD: usize = 4;

/// How a scan is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// One launch per phase and time step, over all rows and hidden units.
    Step,
    /// One launch per scan: each cube owns some rows of the batch for all time steps.
    Resident,
    /// One launch per scan, over all rows and hidden units, with a grid barrier after each step.
    ///
    /// Used only on request and if a step has a single phase (no layer normalization, projection or candidate gates),
    /// the device makes writes of one cube visible to others, and a trial launch has shown that all cubes run
    /// concurrently. The host waits for this trial, once per kernel and number of cubes. Otherwise the driver is chosen
    /// for the device, or is [`Step`](Self::Step) with the given tile if a plan was given.
    ///
    /// If the cubes of a later launch do not run concurrently, the grid barrier times out and the results are filled
    /// with NaN.
    Persistent,
}

impl Driver {
    const ALL: [Self; 3] = [Self::Step, Self::Resident, Self::Persistent];

    /// The driver that the environment variable `ELMAN_CUBE` names (`step`, `resident`, `persistent`), which scans use
    /// if the device supports it; `None` if it is not set.
    ///
    /// # Errors
    /// [`UnknownDriver`] if the value names no driver; scans then use the default.
    pub fn named() -> Result<Option<Self>, UnknownDriver> {
        std::env::var_os("ELMAN_CUBE").map(|name| name.to_string_lossy().parse()).transpose()
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Step => "step",
            Self::Resident => "resident",
            Self::Persistent => "persistent",
        })
    }
}

/// An unknown driver name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownDriver(String);

impl fmt::Display for UnknownDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown driver '{}': expected step, resident or persistent", self.0)
    }
}

impl std::error::Error for UnknownDriver {}

impl FromStr for Driver {
    type Err = UnknownDriver;

    fn from_str(name: &str) -> Result<Self, UnknownDriver> {
        Self::ALL.into_iter().find(|driver| driver.to_string() == name).ok_or_else(|| UnknownDriver(name.into()))
    }
}

/// How a scan is launched and tiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The driver.
    pub driver: Driver,
    /// The tiling of its products.
    pub tile: Tile,
}

impl Plan {
    /// The given plan, or one for the device and the sizes, for products with `per_thread` columns per thread.
    /// [`Driver::Persistent`] is used only on request and with `allow_persistent`.
    pub(crate) fn new(scan: ScanArgs<'_>, per_thread: usize, allow_persistent: bool) -> Self {
        static REQUESTED: OnceLock<Option<Driver>> = OnceLock::new();
        let is_software = is_software(scan.client);
        let is_allowed = |driver: &Driver| allow_persistent || *driver != Driver::Persistent;
        // in software cubes are CPU threads, which spend more time in the barrier than in work: only an explicit plan
        // is persistent there
        let is_usable = |driver: &Driver| is_allowed(driver) && !(is_software && *driver == Driver::Persistent);
        let requested = REQUESTED.get_or_init(|| Driver::named().ok().flatten()).filter(is_usable);
        let hidden = scan.sequences.hidden;
        let default = if is_software || hidden <= MAX_RESIDENT_HIDDEN { Driver::Resident } else { Driver::Step };
        let is_too_large = is_software && hidden > MAX_RESIDENT_HIDDEN_IN_SOFTWARE;
        let driver = if is_too_large { Driver::Step } else { requested.unwrap_or(default) };
        let plan = scan.plan.unwrap_or_else(|| {
            let mut tile = tile(scan, driver, is_software);
            let max = scan.client.properties().hardware.max_shared_memory_size;
            while tile.shared_bytes(per_thread) > max && tile.rows > 1 {
                tile.rows /= 2;
            }
            while tile.shared_bytes(per_thread) > max && tile.split > 1 {
                tile.split /= 2;
            }
            Self { driver, tile }
        });
        if is_allowed(&plan.driver) { plan } else { Self { driver: Driver::Step, ..plan } }
    }

    /// [`new`](Self::new) for products with one column per hidden unit, of which each thread computes
    /// [`COLUMNS_PER_THREAD`].
    pub(crate) fn for_columns(scan: ScanArgs<'_>, allow_persistent: bool) -> Self {
        let mut plan = Self::new(scan, COLUMNS_PER_THREAD, allow_persistent);
        let columns = scan.sequences.hidden.max(scan.sequences.output);
        if scan.plan.is_none() && plan.driver == Driver::Resident {
            plan.tile.threads = columns.div_ceil(COLUMNS_PER_THREAD).next_power_of_two().clamp(8, plan.tile.threads);
        }
        plan
    }

    /// Maximum time steps of one launch. GPU drivers abort launches that take seconds; Mesa's llvmpipe silently leaves
    /// every loop once a thread has executed 65,535 loop iterations in total.
    pub(crate) fn steps_per_launch(&self, scan: ScanArgs<'_>, gates: usize, phases: usize) -> usize {
        if !is_software(scan.client) {
            return 1024;
        }
        let Tile { rows, threads, split, staged } = self.tile;
        let Sequences { hidden, output, .. } = *scan.sequences;
        // upper bound for any phase: the tiles of a product, their stages, their rows, and layer normalization
        let tiles = hidden.max(output).div_ceil(threads);
        let stages = (gates * hidden).max(output).div_ceil(4 * staged);
        let product =
            tiles * (stages * (1 + (rows * staged).div_ceil(threads * split)) + rows * (COLUMNS_PER_THREAD + 2));
        let norm = rows * (2 * (gates * hidden).div_ceil(threads * split) + 16);
        (40_000 / (phases * (product + norm))).max(1)
    }

    /// The threads of a cube.
    pub(crate) fn cube_dim(&self) -> CubeDim {
        CubeDim::new_2d(self.tile.threads as u32, self.tile.split as u32)
    }

    /// Number of row tiles. No tile contains rows of both directions.
    pub(crate) fn row_tiles(&self, sequences: &Sequences) -> u32 {
        let (rows, first_reverse_row) = (self.tile.rows, sequences.first_reverse_row());
        (first_reverse_row.div_ceil(rows) + (sequences.batch - first_reverse_row).div_ceil(rows)) as u32
    }

    /// The cubes of a [`Driver::Resident`] launch.
    pub(crate) fn resident_cubes(&self, sequences: &Sequences) -> CubeCount {
        CubeCount::Static(self.row_tiles(sequences), 1, 1)
    }

    /// The cubes of a phase.
    pub(crate) fn phase_cubes(&self, column_tiles: usize, sequences: &Sequences) -> CubeCount {
        CubeCount::Static(column_tiles as u32, self.row_tiles(sequences), 1)
    }
}

/// Whether the device is a software driver, which runs on the CPU.
pub(crate) fn is_software(client: &Client) -> bool {
    client.properties().hardware.plane_size_max < MIN_GPU_SUBGROUP
}

fn tile(scan: ScanArgs<'_>, driver: Driver, is_software: bool) -> Tile {
    let Sequences { batch, hidden, .. } = *scan.sequences;
    let max_threads = scan.client.properties().hardware.max_units_per_cube as usize;
    let rows = |max: usize| (batch / scan.sequences.num_directions()).next_power_of_two().min(max);
    if is_software {
        let threads = if driver == Driver::Resident { hidden.next_power_of_two().clamp(32, 64) } else { 32 };
        return Tile { rows: rows(16), threads: threads.min(max_threads), split: 1, staged: 2 };
    }
    let (rows, threads) = match driver {
        Driver::Resident => (1, hidden.next_power_of_two().clamp(32, max_threads)),
        Driver::Step | Driver::Persistent => (rows(2), 32),
    };
    Tile { rows, threads, split: (max_threads / threads).clamp(1, 8), staged: 16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_names_round_trip() {
        for driver in Driver::ALL {
            assert_eq!(driver.to_string().parse(), Ok(driver));
        }
        let message = "steps".parse::<Driver>().unwrap_err().to_string();
        assert_eq!(message, "unknown driver 'steps': expected step, resident or persistent");
    }
}
