//! The colors of pages and charts.
//!
//! Charts are drawn in the light theme's colors, so that an SVG file looks right on its own. A page's style sheet
//! matches these values and replaces them with the colors of the current theme.

/// A color in both themes.
pub struct Role {
    /// The name of the CSS custom property.
    pub name: &'static str,
    pub light: &'static str,
    pub dark: &'static str,
}

const fn role(name: &'static str, light: &'static str, dark: &'static str) -> Role {
    Role { name, light, dark }
}

pub const PAPER: Role = role("paper", "#FFFFFF", "#16191D");
pub const INK: Role = role("ink", "#1C2126", "#E4E8EC");
pub const MUTED: Role = role("muted", "#5B6670", "#9AA5B0");
pub const LINE: Role = role("line", "#DDE2E7", "#343B43");

/// Colors of series and groups, in order of use: those of Okabe & Ito (2008), which remain distinguishable with color
/// vision deficiency, darkened where needed for the light theme and lightened for the dark one.
pub const SERIES: [Role; 8] = [
    role("series-1", "#0072B2", "#4FA8DC"),
    role("series-2", "#C84E00", "#F08A4B"),
    role("series-3", "#007D5B", "#3CC79B"),
    role("series-4", "#A8487F", "#E093BE"),
    role("series-5", "#8A6A00", "#E3C04D"),
    role("series-6", "#2B86B8", "#8CCBF2"),
    role("series-7", "#6B4BB3", "#B7A2F0"),
    role("series-8", "#4A4F55", "#BCC4CC"),
];

/// The color of the n-th series or group; colors repeat.
pub fn series(n: usize) -> &'static Role {
    &SERIES[n % SERIES.len()]
}

fn roles() -> impl Iterator<Item = &'static Role> {
    [&PAPER, &INK, &MUTED, &LINE].into_iter().chain(&SERIES)
}

/// The part of the style sheet that defines colors.
pub fn style() -> String {
    let properties = |value: fn(&Role) -> &str| roles().map(move |role| format!("--{}:{};", role.name, value(role)));
    let (light, dark): (String, String) = (properties(|r| r.light).collect(), properties(|r| r.dark).collect());
    let charts = roles().flat_map(|role| {
        ["fill", "stroke"].map(|what| format!(".chart [{what}=\"{}\"]{{{what}:var(--{})}}", role.light, role.name))
    });
    format!(
        ":root{{color-scheme:light dark;{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}{}",
        charts.collect::<String>()
    )
}
