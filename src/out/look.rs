//! What a table may look like where it is written: width, height, colors, whether it can be drawn anew.

use crate::sys::{self, terminal};

/// When a table has colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// The words of `--color`.
pub const COLORS: [(&str, Color); 3] =
    [("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Where lines are cut; nowhere for `None`.
    pub width: Option<usize>,
    /// The columns and lines of the terminal, if it is one.
    pub size: Option<(usize, usize)>,
    pub has_color: bool,
    /// Whether the terminal moves its cursor up, over lines whose number is known.
    pub can_redraw: bool,
    pub is_utf8: bool,
}

impl Look {
    /// The look of standard output, or of a file if it `is_file`.
    pub(super) fn of(color: Color, is_wide: bool, is_file: bool) -> Look {
        let is_terminal = !is_file && terminal::is_terminal();
        let is_able = is_terminal && !terminal::is_dumb();
        let mut look = Look {
            has_color: match color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => is_able && sys::environment("NO_COLOR").is_none(),
            },
            can_redraw: is_able && !is_wide,
            is_utf8: terminal::is_utf8(),
            ..Look::default()
        };
        if is_terminal {
            look.measure(is_wide);
        }
        look
    }

    /// Asks for the size again: people resize their windows.
    pub(super) fn measure(&mut self, is_wide: bool) {
        let size = terminal::size();
        self.size = Some(size);
        self.width = (!is_wide).then_some(size.0);
    }
}
