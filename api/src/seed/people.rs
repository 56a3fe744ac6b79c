//! The demo's users. Everybody knows their passwords, so production refuses to start with them.

use domain::role::BuiltIn;

/// A user of the demo.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub id: i64,
    pub site_id: &'static str,
    pub nickname: &'static str,
    pub phone_number: &'static str,
    pub password: &'static str,
    pub role: BuiltIn,
}

/// Everybody who plays has the same password.
const fn player(
    id: i64,
    site_id: &'static str,
    nickname: &'static str,
    phone_number: &'static str,
) -> Person {
    Person { id, site_id, nickname, phone_number, password: "1234", role: BuiltIn::Player }
}

const fn staff(
    id: i64,
    site_id: &'static str,
    (nickname, phone_number): (&'static str, &'static str),
    password: &'static str,
    role: BuiltIn,
) -> Person {
    Person { id, site_id, nickname, phone_number, password, role }
}

/// All of them, by number.
pub(super) const DEMO: [Person; 24] = [
    staff(1, "admin", ("관리자", "01000000001"), "admin123", BuiltIn::Admin),
    staff(2, "admin2", ("부관리자", "01000000002"), "admin123", BuiltIn::Admin),
    staff(3, "support", ("고객지원", "01000000003"), "support123", BuiltIn::Support),
    staff(4, "operator", ("운영자", "01000000004"), "operator123", BuiltIn::Operator),
    staff(5, "auditor", ("감사관", "01000000005"), "auditor123", BuiltIn::Auditor),
    player(6, "minjun", "민준이", "01025260006"),
    player(7, "seoyeon", "서연별", "01025260007"),
    player(8, "dohyun", "도현킹", "01025260008"),
    player(9, "jiwoo", "지우개", "01025260009"),
    player(10, "haeun", "하은하수", "01025260010"),
    player(11, "junseo", "준서방", "01025260011"),
    player(12, "yerin", "예린공주", "01025260012"),
    player(13, "taeyang", "태양처럼", "01025260013"),
    player(14, "subin", "수빈이네", "01025260014"),
    player(15, "hyunwoo", "현우왕", "01025260015"),
    player(16, "nari", "나리꽃", "01025260016"),
    player(17, "gaon", "가온누리", "01025260017"),
    player(18, "boram", "보람찬하루", "01025260018"),
    player(19, "sangho", "상호작용", "01025260019"),
    player(20, "eunji", "은지원정대", "01025260020"),
    player(21, "kyungmin", "경민이형", "01025260021"),
    player(22, "lucky7", "행운의칠", "01025260022"),
    player(23, "testuser20250926012525", "테스트유저", "01025260023"),
    player(24, "dahye", "다혜성", "01025260024"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_are_gapless_and_names_unique() {
        assert!(DEMO.iter().zip(1..).all(|(person, id)| person.id == id));
        let unique = |name: fn(&Person) -> &'static str| {
            DEMO.iter().map(name).collect::<HashSet<_>>().len() == DEMO.len()
        };
        assert!(unique(|p| p.site_id) && unique(|p| p.nickname) && unique(|p| p.phone_number));
    }

    #[test]
    fn every_role_of_the_staff_is_there_and_two_admins() {
        let count = |role| DEMO.iter().filter(|person| person.role == role).count();
        assert_eq!(BuiltIn::ALL.map(count), [19, 1, 1, 1, 2]);
    }
}
