"""Who answers: models behind one port."""
