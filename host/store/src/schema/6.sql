-- A network has several subnets, and a container an address in each: records
-- had one `gateway`, and one `address` in each place of `networks`.
UPDATE networks SET record = json_set(
    json_remove(record, '$.gateway', '$.ip_range', '$.chosen_subnet'),
    '$.pools',
    json_array(json_object(
        'gateway', json_extract(record, '$.gateway'),
        'range', json_extract(record, '$.ip_range'),
        'auxiliary', json('{}'),
        'chosen', json(iif(json_extract(record, '$.chosen_subnet'), 'true', 'false'))
    ))
)
WHERE json_type(record, '$.gateway') = 'text';

UPDATE containers SET record = json_set(record, '$.networks', json((
    SELECT json_group_array(json_set(
        json_remove(value, '$.address'),
        '$.addresses',
        iif(json_type(value, '$.address') = 'text',
            json_array(json_extract(value, '$.address')),
            ifnull(json_extract(value, '$.addresses'), json('[]')))
    ))
    FROM json_each(record, '$.networks')
)))
WHERE json_type(record, '$.networks') = 'array';
