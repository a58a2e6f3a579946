//! Pages that a program in the browser takes over as a whole, element by element ("hydration"): it throws away what is not as it
//! expects, and draws its own content anew.

use memchr::memmem;

/// What such pages have: of Next.js, React, Remix and React Router, Gatsby, Nuxt, Vue, SvelteKit and Angular.
const MARKS: [&str; 13] = [
    "__next",
    "data-reactroot",
    "window.__remixContext",
    "window.__reactRouterContext",
    "___gatsby",
    "__nuxt",
    "__NUXT",
    "data-server-rendered",
    "data-sveltekit",
    "__sveltekit",
    "ng-version",
    "ng-server-context",
    "astro-island",
];

/// Whether this is one of them.
pub fn is_hydrated(html: &str) -> bool {
    MARKS.iter().any(|mark| memmem::find(html.as_bytes(), mark.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_draw_again_are_known_by_their_marks() {
        for (html, expected) in [
            ("<div id=\"__next\"><main>tea</main></div>", true),
            ("<body data-sveltekit-preload-data=\"hover\">", true),
            ("<app-root ng-version=\"18.0.0\">", true),
            ("<div data-server-rendered=\"true\">", true),
            ("<script>$(\".next\").click()</script><main>tea</main>", false),
        ] {
            assert_eq!(is_hydrated(html), expected, "{html}");
        }
    }
}
