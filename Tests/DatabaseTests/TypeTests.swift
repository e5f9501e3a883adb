import Core
import Database
import Logging
import TestSupport
import Testing

@Suite struct TypeTests {
    static let everything = Statement(
        "everything",
        """
        select $1::bool, $2::int2, $3::int4, $4::int8, $5::int8, $6::float8, $7::text, $8::bytea, $9::uuid, $10::timestamptz
        """)

    @Test(arguments: [true, false])
    func valuesComeBackAsTheyWent(prepare: Bool) async throws {
        let database = try await openDatabase(prepare: prepare)
        let id = JobID(milliseconds: 1_795_232_891_123)
        let moment = Timestamp(microseconds: 1_795_232_891_123_456)
        let bytes: [UInt8] = [0, 1, 0, 255, 0]
        for text in ["", "Grüße \u{1F600}", String(repeating: "x", count: 3 << 20)] {
            let rows = try await database.system.execute(
                Self.everything,
                [true, Int16.min, Int32.max, Int64.min, Int.max, -0.1, text, bytes, id, moment])
            #expect(rows.count == 1)
            let found = try #require(rows.first).decode(
                Bool.self, Int16.self, Int32.self, Int64.self, Int.self, Double.self, String.self, [UInt8].self,
                JobID.self, Timestamp.self)
            #expect(found.0 == true && found.1 == .min && found.2 == .max && found.3 == .min && found.4 == .max)
            #expect(found.5 == -0.1 && found.6 == text && found.7 == bytes && found.8 == id && found.9 == moment)
        }
        await database.close()
    }

    @Test(arguments: [true, false])
    func nullsComeBackAsNil(prepare: Bool) async throws {
        let database = try await openDatabase(prepare: prepare)
        let untyped: [(any PostgresEncodable)?] = Array(repeating: nil, count: 10)
        let typed: [(any PostgresEncodable)?] = [
            Bool?.none, Int16?.none, Int32?.none, Int64?.none, Int?.none, Double?.none, String?.none, [UInt8]?.none,
            JobID?.none, Timestamp?.none,
        ]
        for parameters in [untyped, typed, untyped] {
            let row = try #require(try await database.system.execute(Self.everything, parameters).first)
            let found = try row.decode(
                Bool?.self, Int16?.self, Int32?.self, Int64?.self, Int?.self, Double?.self, String?.self, [UInt8]?.self,
                JobID?.self, Timestamp?.self)
            #expect(found.0 == nil && found.1 == nil && found.2 == nil && found.3 == nil && found.4 == nil)
            #expect(found.5 == nil && found.6 == nil && found.7 == nil && found.8 == nil && found.9 == nil)
        }
        await database.close()
    }

    @Test func aStatementTakesNullAndValuesInTurn() async throws {
        let database = try await openDatabase(connections: 1)
        let statement = Statement("maybe", "select $1::text is null, $1::text")
        for value in [nil, "a", nil, "b"] as [String?] {
            let row = try #require(try await database.system.execute(statement, [value]).first)
            let (isNull, text) = try row.decode(Bool.self, String?.self)
            #expect(isNull == (value == nil) && text == value)
        }
        await database.close()
    }

    @Test func arraysComeBackAsTheyWent() async throws {
        let database = try await openDatabase()
        let statement = Statement(
            "arrays",
            """
            select $1::bool[], $2::int2[], $3::int4[], $4::int8[], $5::float8[], $6::text[], $7::bytea[], $8::uuid[],
                   $9::timestamptz[]
            """)
        let ids = (0..<3).map { JobID(milliseconds: $0) }
        let big = SQLArray((0..<10_000).map { Int64($0) })
        let row = try #require(
            try await database.system.execute(
                statement,
                [
                    SQLArray([true, nil, false]), SQLArray([Int16(1)]), SQLArray<Int32>([]), big,
                    SQLArray([1.5, -1.5]), SQLArray(["", nil, "a,\"b\"", "NULL"]),
                    SQLArray([[0, 1, 0], [], [255]] as [[UInt8]]),
                    SQLArray(ids), SQLArray([Timestamp(microseconds: -1), nil]),
                ]
            ).first)
        let found = try row.decode(
            SQLArray<Bool?>.self, SQLArray<Int16>.self, SQLArray<Int32>.self, SQLArray<Int64>.self,
            SQLArray<Double>.self, SQLArray<String?>.self, SQLArray<[UInt8]>.self, SQLArray<JobID>.self,
            SQLArray<Timestamp?>.self)
        #expect(found.0 == [true, nil, false] && found.1 == [1] && found.2 == [] && found.3 == big)
        #expect(found.4 == [1.5, -1.5] && found.5 == ["", nil, "a,\"b\"", "NULL"])
        #expect(found.6 == [[0, 1, 0], [], [255]] && found.7.elements == ids)
        #expect(found.8 == [Timestamp(microseconds: -1), nil])
        await database.close()
    }

    @Test func textComesFromEveryTextualType() async throws {
        let database = try await openDatabase()
        let statement = Statement(
            "textual",
            "select 'a'::name, 'b'::varchar(3), 'c'::char(2), '{\"d\":1}'::json, '{\"e\": 1}'::jsonb, 'f'::\"char\"")
        let row = try #require(try await database.system.execute(statement).first)
        let found = try row.decode(
            String.self, String.self, String.self, String.self, String.self, String.self)
        #expect(found == ("a", "b", "c ", "{\"d\":1}", "{\"e\": 1}", "f"))
        await database.close()
    }

    @Test func aWrongTypeIsNamedWithItsColumn() async throws {
        let database = try await openDatabase()
        let statement = Statement("wrong", "select 1::int8 as number, null::text as nothing")
        let row = try #require(try await database.system.execute(statement).first)
        let error = #expect(throws: DatabaseError.self) { try row.decode(String.self, String?.self) }
        #expect(error?.message == "column 0 (number): expected text, found int8")
        #expect(error?.statement == "wrong")
        let null = #expect(throws: DatabaseError.self) { try row.decode(String.self, at: 1) }
        #expect(null?.message == "column 1 (nothing): expected text, found NULL")
        #expect(throws: DatabaseError.self) { try row.decode(Int64.self) }
        #expect(throws: DatabaseError.self) { try row.decode(Int64.self, at: 2) }
        await database.close()
    }

    @Test func infinityIsNoTimestamp() async throws {
        let database = try await openDatabase()
        let statement = Statement("endless", "select 'infinity'::timestamptz, '-infinity'::timestamptz")
        let row = try #require(try await database.system.execute(statement).first)
        for column in 0..<2 {
            #expect(throws: DatabaseError.self) { try row.decode(Timestamp.self, at: column) }
        }
        await database.close()
    }
}
