//! Lists in field values (RFC 9110, section 5.6.1), whose elements have no quoted strings.

use core::str;

use super::class::Class;
use super::extension::is_extension_list;
use super::field::trim;

/// The elements of a list: what commas separate, without the white space around it.
// RFC 9110, section 5.6.1.2: a recipient must parse and ignore a reasonable number of empty
// elements.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    list.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Whether the list names a token, letters in any case.
pub(super) fn names(list: &[u8], lower: &[u8]) -> bool {
    // Most lists have one element.
    is(list, lower) || elements(list).any(|element| is(element, lower))
}

/// Whether `text` is `lower`, small letters and perhaps hyphens, but for its case.
///
/// No other character becomes a letter by this bit; a carriage return becomes a hyphen, but stands
/// in no token.
pub(super) fn is(text: &[u8], lower: &[u8]) -> bool {
    let (words, bytes) = text.as_chunks();
    let (lower_words, lower_bytes) = lower.as_chunks();
    let is_word = |(a, b): (&[u8; 4], &[u8; 4])| {
        u32::from_le_bytes(*a) | 0x2020_2020 == u32::from_le_bytes(*b)
    };
    text.len() == lower.len()
        && words.iter().zip(lower_words).all(is_word)
        && bytes.iter().zip(lower_bytes).all(|(a, b)| a | 0x20 == *b)
}

/// Whether the list is `1#token`.
pub(super) fn is_tokens(list: &[u8]) -> bool {
    // What a list of extensions is where none has parameters. `contains` would be more code than all
    // this.
    list.iter().all(|&byte| byte != b';') && is_extension_list(list)
}

/// The elements of several lists that are tokens.
pub(super) fn tokens<'a>(
    lists: impl Iterator<Item = &'a [u8]> + Clone,
) -> impl Iterator<Item = &'a str> + Clone {
    lists
        .flat_map(elements)
        .filter(|element| Class::Token.is_all(element))
        .filter_map(|token| str::from_utf8(token).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_lists_whole_and_in_any_case() {
        for list in ["upgrade", "Upgrade", "keep-alive, Upgrade", ",,\tUPGRADE ,", "a,upgrade,b"] {
            assert!(names(list.as_bytes(), b"upgrade"), "{list}");
        }
        for list in ["", ",", "upgraded", "keep-alive Upgrade", "\"upgrade\"", "upgrade;q=1"] {
            assert!(!names(list.as_bytes(), b"upgrade"), "{list}");
        }
    }

    #[test]
    fn a_name_is_compared_as_each_byte_is() {
        for byte in 0..=u8::MAX {
            let token = [b'h', byte];
            let same = token.eq_ignore_ascii_case(b"ht");
            assert_eq!(is(&token, b"ht"), same, "{byte:#x}");
            let same = token.eq_ignore_ascii_case(b"h-");
            assert!(is(&token, b"h-") == same || !Class::Token.has(byte), "{byte:#x}");
        }
        assert!(!is(b"host", b"hosts") && !is(b"hosts", b"host"));
    }

    #[test]
    fn a_list_of_tokens_has_at_least_one() {
        for list in ["chat", "chat, superchat", "v1.chat ,,\t soap"] {
            assert!(is_tokens(list.as_bytes()), "{list}");
        }
        for list in ["", ",", " , ,", "a b", "a;b", "chat, \u{fc}", "\"chat\"", "a/b"] {
            assert!(!is_tokens(list.as_bytes()), "{list}");
        }
    }
}
