#![no_main]
use elman_fuzz::checked;
use elman_index::Location;
use libfuzzer_sys::fuzz_target;

// Store addresses. The displayed form must not contain the password.
fuzz_target!(|text: &str| {
    if let Some(location) = checked(Location::new(text)) {
        let shown = location.to_string();
        if let Some((_, password)) = text.split_once(":secret-").filter(|_| text.contains("://")) {
            let end = password.find('@').unwrap_or(0);
            assert!(end == 0 || !shown.contains(&format!("secret-{}@", &password[..end])), "{shown}");
        }
    }
});
