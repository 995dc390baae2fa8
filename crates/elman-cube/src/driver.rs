use cubecl::prelude::*;

use crate::{Sequences, Tile, Walk};

/// Units that run in lockstep are at least as many on a graphics card; a driver in software has as many as a vector register
/// of the processor has numbers.
const GRAPHICS_CARD: u32 = 16;

/// Up to so many hidden units one cube walks its rows alone: the weights are read once a step by each cube, which the caches
/// bear as long as they are small.
const RESIDENT: usize = 256;

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
    /// The one that suits a device and the sizes.
    pub(crate) fn of(walk: Walk<'_>) -> Self {
        if let Some(plan) = walk.plan {
            return plan;
        }
        let Sequences { batch, hidden, .. } = *walk.sequences;
        let hardware = &walk.client.properties().hardware;
        let most = hardware.max_units_per_cube as usize;
        let rows = |most: usize| batch.next_power_of_two().min(most);
        if hardware.plane_size_max < GRAPHICS_CARD {
            let units = hidden.next_power_of_two().clamp(32, 64).min(most);
            return Self { driver: Driver::Resident, tile: Tile { rows: rows(16), units, split: 1, staged: 2 } };
        }
        let split = |units: usize| (most / units).clamp(1, 8);
        if hidden <= RESIDENT {
            let units = hidden.next_power_of_two().clamp(32, most);
            return Self { driver: Driver::Resident, tile: Tile { rows: 1, units, split: split(units), staged: 16 } };
        }
        Self { driver: Driver::Step, tile: Tile { rows: rows(2), units: 32, split: split(32), staged: 16 } }
    }

    /// The same for products with one column for each unit: of which a unit of the cube then has several.
    pub(crate) fn of_columns(walk: Walk<'_>) -> Self {
        let mut plan = Self::of(walk);
        let columns = walk.sequences.hidden.max(walk.sequences.output);
        if walk.plan.is_none() && plan.driver == Driver::Resident {
            plan.tile.units = columns.div_ceil(PER_UNIT).next_power_of_two().clamp(8, plan.tile.units);
        }
        plan
    }

    /// The units of a cube.
    pub(crate) fn dim(&self) -> CubeDim {
        CubeDim::new_2d(self.tile.units as u32, self.tile.split as u32)
    }

    /// The cubes of a walk that is one launch.
    pub(crate) fn resident(&self, batch: usize) -> CubeCount {
        CubeCount::Static(batch.div_ceil(self.tile.rows) as u32, 1, 1)
    }

    /// The cubes of a phase.
    pub(crate) fn step(&self, column_tiles: usize, batch: usize) -> CubeCount {
        CubeCount::Static(column_tiles as u32, batch.div_ceil(self.tile.rows) as u32, 1)
    }
}
