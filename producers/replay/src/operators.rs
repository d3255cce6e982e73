//! Who operates an aircraft, told from its callsign.
//!
//! An airline's flight is called by the airline's ICAO designator (three letters) and a flight number, which starts
//! with a digit. A callsign of any other shape is the aircraft's registration or one of the military or the
//! authorities; those are "private". Designators that are not in the table stand for themselves.

const PRIVATE: &str = "private";

/// The designators seen most often in the data set, in the order of the alphabet.
const OPERATORS: &[(&str, &str)] = &[
    ("ACA", "Air Canada"),
    ("AEA", "Air Europa"),
    ("AFL", "Aeroflot"),
    ("AFR", "Air France"),
    ("AMX", "Aeroméxico"),
    ("AUA", "Austrian Airlines"),
    ("BAW", "British Airways"),
    ("BTI", "airBaltic"),
    ("CCA", "Air China"),
    ("CCM", "Air Corsica"),
    ("CSA", "Czech Airlines"),
    ("CTM", "French Air and Space Force"),
    ("DAH", "Air Algérie"),
    ("DAL", "Delta Air Lines"),
    ("EIN", "Aer Lingus"),
    ("EJU", "easyJet Europe"),
    ("ELY", "El Al"),
    ("ETD", "Etihad Airways"),
    ("EZY", "easyJet"),
    ("FDX", "FedEx Express"),
    ("IBE", "Iberia"),
    ("ICE", "Icelandair"),
    ("JAL", "Japan Airlines"),
    ("KLM", "KLM Royal Dutch Airlines"),
    ("MSR", "EgyptAir"),
    ("NJE", "NetJets Europe"),
    ("PGT", "Pegasus Airlines"),
    ("QTR", "Qatar Airways"),
    ("RYR", "Ryanair"),
    ("SAS", "Scandinavian Airlines"),
    ("SVA", "Saudia"),
    ("SWR", "Swiss International Air Lines"),
    ("SXS", "SunExpress"),
    ("TAP", "TAP Air Portugal"),
    ("TAR", "Tunisair"),
    ("THY", "Turkish Airlines"),
    ("TVF", "Transavia France"),
    ("UAE", "Emirates"),
    ("VJT", "VistaJet"),
    ("VLG", "Vueling"),
    ("WZZ", "Wizz Air"),
];

/// The company that flies under this callsign.
pub(crate) fn operator(callsign: &str) -> &str {
    let designator = match callsign.as_bytes() {
        [a, b, c, digit, ..] if [a, b, c].iter().all(|byte| byte.is_ascii_uppercase()) && digit.is_ascii_digit() => {
            &callsign[..3]
        }
        _ => return PRIVATE,
    };
    OPERATORS
        .binary_search_by_key(&designator, |(known, _)| known)
        .ok()
        .and_then(|index| OPERATORS.get(index))
        .map_or(designator, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(OPERATORS.is_sorted_by(|(a, _), (b, _)| a < b));
    }

    #[test]
    fn airlines_by_name_unknown_ones_by_designator_all_else_private() {
        assert_eq!(operator("AFR53HM"), "Air France");
        assert_eq!(operator("WZZ1305"), "Wizz Air");
        assert_eq!(operator("QQE12"), "QQE");
        for registration in ["FHHCB", "N10XG", "T7DSD", "DUKE58", "HUAF408", "", "AF", "ÀFR1"] {
            assert_eq!(operator(registration), "private", "{registration}");
        }
    }
}
