use std::{fmt, str::FromStr, sync::OnceLock};

use cubecl::prelude::*;

use crate::{ScanArgs, Sequences, Tile};

/// Units that run in lockstep are at least as many on a graphics card; a driver in software has as many as a vector register
/// of the processor has numbers.
const GRAPHICS_CARD: u32 = 16;

/// Up to so many hidden units one cube walks its rows alone: the weights are read once a step by each cube, which the caches
/// bear as long as they are small.
const RESIDENT: usize = 256;

/// The same in software, where more would be more turns of loops than a unit has: see [`Plan::steps`].
const RESIDENT_IN_SOFTWARE: usize = 2048;

/// Columns that a unit has of a product with one column for each hidden unit: so that a number that was read is used more than
/// once.
pub(crate) const PER_UNIT: usize = 4;

/// How a walk is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// A launch for each phase of each time step, over all rows and units.
    Step,
    /// One launch for the whole walk: each cube owns some rows of the batch, and walks them through time.
    Resident,
    /// One launch for the whole walk, over all rows and units, in which the cubes meet after each step.
    ///
    /// Taken only where it is asked for, a step is one phase (no layer normalisation, no projection, no late gates), one cube
    /// can be made to see what another wrote, and all cubes of the launch have met in a trial, for which the host waits once
    /// for each kernel and number of cubes. Elsewhere the walk goes as suits the device, or is [`Step`](Self::Step) with the
    /// tile of a plan that was given.
    ///
    /// If later the device runs not all of them at once, they give up after a while, and every number that was walked is not a
    /// number.
    Persistent,
}

impl Driver {
    const ALL: [Self; 3] = [Self::Step, Self::Resident, Self::Persistent];

    /// The one that `$ELMAN_CUBE` names (`step`, `resident`, `persistent`), which walks then have wherever the device can do it; `None` if it
    /// is not set.
    ///
    /// # Errors
    /// [`UnknownDriver`] if it names none; walks then go as suits the device and the sizes.
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

/// A text that names no driver.
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

/// How a walk is launched and divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How it is launched.
    pub driver: Driver,
    /// How its products are divided.
    pub tile: Tile,
}

impl Plan {
    /// The one that suits a device and the sizes, for products with so many columns for each unit; with cubes that meet where
    /// this is asked for and they `may_meet`.
    pub(crate) fn of(walk: ScanArgs<'_>, per_unit: usize, may_meet: bool) -> Self {
        static NAMED: OnceLock<Option<Driver>> = OnceLock::new();
        let is_software = is_software(walk.client);
        let may_be = |driver: &Driver| may_meet || *driver != Driver::Persistent;
        // where cubes are threads, they wait for one another longer than they work: only a plan that is given has them do so
        let suits_named = |driver: &Driver| may_be(driver) && !(is_software && *driver == Driver::Persistent);
        let named = NAMED.get_or_init(|| Driver::named().ok().flatten()).filter(suits_named);
        let hidden = walk.sequences.hidden;
        let suits = if is_software || hidden <= RESIDENT { Driver::Resident } else { Driver::Step };
        let is_beyond = is_software && hidden > RESIDENT_IN_SOFTWARE;
        let driver = if is_beyond { Driver::Step } else { named.unwrap_or(suits) };
        let plan = walk.plan.unwrap_or_else(|| {
            let mut tile = tile(walk, driver, is_software);
            let most = walk.client.properties().hardware.max_shared_memory_size;
            while tile.shared(per_unit) > most && tile.rows > 1 {
                tile.rows /= 2;
            }
            while tile.shared(per_unit) > most && tile.split > 1 {
                tile.split /= 2;
            }
            Self { driver, tile }
        });
        if may_be(&plan.driver) { plan } else { Self { driver: Driver::Step, ..plan } }
    }

    /// The same for products with one column for each unit: of which a unit of the cube then has several.
    pub(crate) fn of_columns(walk: ScanArgs<'_>, may_meet: bool) -> Self {
        let mut plan = Self::of(walk, PER_UNIT, may_meet);
        let columns = walk.sequences.hidden.max(walk.sequences.output);
        if walk.plan.is_none() && plan.driver == Driver::Resident {
            plan.tile.units = columns.div_ceil(PER_UNIT).next_power_of_two().clamp(8, plan.tile.units);
        }
        plan
    }

    /// How many time steps one launch goes through: drivers end a launch that takes seconds, and one in software leaves every
    /// loop, without a word, when a unit has been through 65,535 turns of loops in all (Mesa's llvmpipe).
    pub(crate) fn steps(&self, walk: ScanArgs<'_>, gates: usize, phases: usize) -> usize {
        if !is_software(walk.client) {
            return 1024;
        }
        let Tile { rows, units, split, staged } = self.tile;
        let Sequences { hidden, output, .. } = *walk.sequences;
        // at most, of any phase: the tiles of a product, what it stages, its rows, and what is normalised
        let tiles = hidden.max(output).div_ceil(units);
        let stages = (gates * hidden).max(output).div_ceil(4 * staged);
        let product = tiles * (stages * (1 + (rows * staged).div_ceil(units * split)) + rows * (PER_UNIT + 2));
        let normalised = rows * (2 * (gates * hidden).div_ceil(units * split) + 16);
        (40_000 / (phases * (product + normalised))).max(1)
    }

    /// The units of a cube.
    pub(crate) fn dim(&self) -> CubeDim {
        CubeDim::new_2d(self.tile.units as u32, self.tile.split as u32)
    }

    /// The tiles that the rows are divided into, none of which has rows of both directions.
    pub(crate) fn row_tiles(&self, sequences: &Sequences) -> u32 {
        let (rows, turn) = (self.tile.rows, sequences.turn());
        (turn.div_ceil(rows) + (sequences.batch - turn).div_ceil(rows)) as u32
    }

    /// The cubes of a walk that is one launch.
    pub(crate) fn resident(&self, sequences: &Sequences) -> CubeCount {
        CubeCount::Static(self.row_tiles(sequences), 1, 1)
    }

    /// The cubes of a phase.
    pub(crate) fn step(&self, column_tiles: usize, sequences: &Sequences) -> CubeCount {
        CubeCount::Static(column_tiles as u32, self.row_tiles(sequences), 1)
    }
}

/// Whether the device is a driver that runs on the processor.
pub(crate) fn is_software(client: &Client) -> bool {
    client.properties().hardware.plane_size_max < GRAPHICS_CARD
}

fn tile(walk: ScanArgs<'_>, driver: Driver, is_software: bool) -> Tile {
    let Sequences { batch, hidden, .. } = *walk.sequences;
    let most = walk.client.properties().hardware.max_units_per_cube as usize;
    let rows = |most: usize| (batch / walk.sequences.sides()).next_power_of_two().min(most);
    if is_software {
        let units = if driver == Driver::Resident { hidden.next_power_of_two().clamp(32, 64) } else { 32 };
        return Tile { rows: rows(16), units: units.min(most), split: 1, staged: 2 };
    }
    let (rows, units) = match driver {
        Driver::Resident => (1, hidden.next_power_of_two().clamp(32, most)),
        Driver::Step | Driver::Persistent => (rows(2), 32),
    };
    Tile { rows, units, split: (most / units).clamp(1, 8), staged: 16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for driver in Driver::ALL {
            assert_eq!(driver.to_string().parse(), Ok(driver));
        }
        let message = "steps".parse::<Driver>().unwrap_err().to_string();
        assert_eq!(message, "unknown driver 'steps': expected step, resident or persistent");
    }
}
