use cubecl::prelude::*;

use crate::{Walk, product::Tile};

/// How a walk is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// A launch for each phase of each time step, over all rows and units.
    Step,
    /// One launch for the whole walk: each cube owns some rows of the batch, and walks them through time.
    Resident,
}

/// How one walk is launched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub driver: Driver,
    pub tile: Tile,
    row_tiles: u32,
}

impl Plan {
    /// The one that suits a device, the sizes, and the gates of a cell.
    pub fn of(walk: Walk<'_>, _gates: usize) -> Self {
        let (batch, hidden) = (walk.sequences.batch, walk.sequences.hidden);
        let driver = walk.driver.unwrap_or(Driver::Resident);
        let most = walk.client.properties().hardware.max_units_per_cube as usize;
        let rows = if batch >= 8 {
            8
        } else if batch >= 4 {
            4
        } else {
            1
        };
        let tile = match driver {
            Driver::Step => Tile { rows, units: 32.min(most), split: 1 },
            Driver::Resident => Tile { rows, units: hidden.next_power_of_two().clamp(32, 256).min(most), split: 1 },
        };
        Self { driver, tile, row_tiles: batch.div_ceil(tile.rows) as u32 }
    }

    /// The units of a cube.
    pub fn dim(&self) -> CubeDim {
        CubeDim::new_2d(self.tile.units as u32, self.tile.split as u32)
    }

    /// The cubes of a walk that is one launch.
    pub fn resident(&self) -> CubeCount {
        CubeCount::Static(self.row_tiles, 1, 1)
    }

    /// The cubes of a phase.
    pub fn step(&self, column_tiles: usize) -> CubeCount {
        CubeCount::Static(column_tiles as u32, self.row_tiles, 1)
    }
}
