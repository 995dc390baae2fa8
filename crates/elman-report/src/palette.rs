//! The colours of pages and charts.
//!
//! Charts are drawn in the light colours, so that an SVG file looks right by itself. A page's style sheet knows them by
//! their values and puts the theme's in their place.

/// A colour in both themes.
pub struct Role {
    /// The custom property's name in the style sheet.
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

/// Series and groups, in the order of use: the colours of Okabe & Ito (2008), which remain apart for readers who see
/// fewer of them, darkened where white paper needs it and lightened for dark.
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

/// The colour of the n-th series or group; they repeat.
pub fn series(n: usize) -> &'static Role {
    &SERIES[n % SERIES.len()]
}

fn roles() -> impl Iterator<Item = &'static Role> {
    [&PAPER, &INK, &MUTED, &LINE].into_iter().chain(&SERIES)
}

/// The style sheet's part that knows colours.
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
